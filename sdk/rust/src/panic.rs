//! How a panic's message gets out of a plugin.
//!
//! A plugin is compiled with `panic = "abort"`: a panic ends in a trap, and a
//! pure model has no import through which to say why. So the first call of any
//! export installs a panic hook that writes the message into one static buffer
//! in the plugin's linear memory; after a trap the host looks for it there, for
//! example in the trap's core dump. Its layout, without padding:
//!
//! | bytes | content |
//! |---|---|
//! | 0..16 | [`MARKER`] |
//! | 16..20 | length `n` of the message in bytes, `u32` little endian; 0: no panic so far |
//! | 20..20+n | the message, UTF-8, at most [`CAPACITY`] bytes: `<message> at <file>:<line>:<column>` |
//!
//! The buffer begins at a multiple of 4. The marker's bytes may turn up elsewhere
//! in the memory (a copy that the compiler made); a place counts only if its
//! length is in 1..=[`CAPACITY`] and the message is UTF-8. [`find`] does the
//! looking.

use std::fmt::Write as _;
use std::sync::Mutex;

/// What the buffer begins with.
pub const MARKER: &[u8; 16] = b"\x7fmodelyard-panic";

/// The most bytes that a message has; a longer one is cut.
pub const CAPACITY: usize = 4096;

const LENGTH_AT: usize = MARKER.len();
const MESSAGE_AT: usize = LENGTH_AT + 4;
const SIZE: usize = MESSAGE_AT + CAPACITY;

#[repr(C, align(4))]
struct Buffer([u8; SIZE]);

/// `used`: nothing in the plugin reads it, and the writes must stay.
#[used]
static BUFFER: Mutex<Buffer> = Mutex::new(Buffer::new());

impl Buffer {
    #[allow(clippy::indexing_slicing, reason = "the bounds are constants, checked when compiled")]
    const fn new() -> Buffer {
        let mut bytes = [0; SIZE];
        let mut i = 0;
        while i < MARKER.len() {
            bytes[i] = MARKER[i];
            i += 1;
        }
        Buffer(bytes)
    }

    fn set(&mut self, write: impl FnOnce(&mut Message<'_>)) {
        let (head, room) = self.0.split_at_mut(MESSAGE_AT);
        let mut message = Message { room, length: 0 };
        write(&mut message);
        let length = u32::try_from(message.length).unwrap_or(0);
        if let Some(slot) = head.get_mut(LENGTH_AT..) {
            slot.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Writes into the buffer without allocating, and cuts at a character.
struct Message<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl std::fmt::Write for Message<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let left = self.room.len().saturating_sub(self.length);
        let end = text.floor_char_boundary(left);
        let part = text.get(..end).unwrap_or_default().as_bytes();
        if let Some(slot) = self.room.get_mut(self.length..self.length + part.len()) {
            slot.copy_from_slice(part);
            self.length += part.len();
        }
        if end < text.len() { Err(std::fmt::Error) } else { Ok(()) }
    }
}

/// Installs the panic hook, once. Called by every export; natively a panic is
/// left to the test that sees it.
#[doc(hidden)]
pub fn install() {
    #[cfg(target_arch = "wasm32")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| std::panic::set_hook(Box::new(record)));
    }
}

#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "the tests use it"))]
fn record(info: &std::panic::PanicHookInfo<'_>) {
    // A panic while the buffer is written can't be told; the first message stays.
    let Ok(mut buffer) = BUFFER.try_lock() else { return };
    buffer.set(|message| {
        // An error means that the message is full, and is cut.
        let _ = match info.location() {
            // The place comes last but must not be cut: leave room for it.
            Some(place) => {
                let text = info.payload_as_str().unwrap_or("panic with a value that is no text");
                let keep = text.floor_char_boundary(CAPACITY - 512);
                write!(message, "{} at {place}", text.get(..keep).unwrap_or_default())
            }
            None => message.write_str(info.payload_as_str().unwrap_or("panic")),
        };
    });
}

/// Finds the message of the panic that ended a plugin in its linear memory;
/// none: it did not panic.
pub fn find(memory: &[u8]) -> Option<String> {
    let mut rest = memory;
    while let Some(at) = position(rest) {
        let found = rest.get(at + LENGTH_AT..at + MESSAGE_AT).and_then(|length| {
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let text = rest.get(at + MESSAGE_AT..)?.get(..length)?;
            if length == 0 || length > CAPACITY { None } else { std::str::from_utf8(text).ok() }
        });
        if let Some(text) = found {
            return Some(text.to_owned());
        }
        rest = rest.get(at + 1..)?;
    }
    None
}

/// Where the marker is. Skips by its first byte, which is rare in memory.
fn position(memory: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memory.get(from..)?.iter().position(|&b| b == MARKER[0])?;
        if memory.get(at..)?.starts_with(MARKER) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with(text: &str) -> Vec<u8> {
        let mut buffer = Buffer::new();
        buffer.set(|message| {
            let _ = message.write_str(text);
        });
        let mut memory = vec![0x7f; 100];
        memory.extend_from_slice(MARKER);
        memory.extend_from_slice(&[0xff; 64]);
        memory.extend_from_slice(&buffer.0);
        memory
    }

    #[test]
    fn a_message_is_found_past_a_stray_marker() {
        assert_eq!(find(&memory_with("divided by zero")).as_deref(), Some("divided by zero"));
    }

    #[test]
    fn without_a_panic_nothing_is_found() {
        assert_eq!(find(&memory_with("")), None);
        assert_eq!(find(&[]), None);
        assert_eq!(find(MARKER), None);
        assert_eq!(find(&Buffer::new().0), None);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let found = find(&memory_with(&"ä".repeat(3000))).unwrap();
        assert_eq!(found.len(), CAPACITY);
        let found = find(&memory_with(&format!("x{}", "ä".repeat(3000)))).unwrap();
        assert_eq!(found.len(), CAPACITY - 1);
    }

    #[test]
    fn the_hook_writes_message_and_place() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(record));
        let _ = std::panic::catch_unwind(|| panic!("no tree {}", 7));
        std::panic::set_hook(before);
        let found = find(&BUFFER.lock().unwrap().0).unwrap();
        assert!(found.starts_with("no tree 7 at ") && found.contains("panic.rs:"), "{found}");
    }
}
