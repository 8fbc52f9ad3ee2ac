//! Outgoing HTTP: what a guest asks for goes to whoever was granted for it.

use std::future::Future;
use std::sync::Arc;

use wasmtime_wasi_http::WasiHttpHooks;

use crate::grants::Outbound;

/// Why a request or a body failed, in the words of `wasi:http`.
pub use wasmtime_wasi_http::Error as HttpError;
/// What a guest wants of a request: its timeouts.
pub use wasmtime_wasi_http::RequestOptions;
/// A body of HTTP, as guests send and get it.
pub use wasmtime_wasi_http::WasiBody as Body;

/// Pieces of a body that a guest may be ahead of who reads it, and the bytes of
/// one: 1 MiB of the host's memory for each body at most.
const PIECES: usize = 16;
const PIECE: usize = 64 << 10;

/// The host's side of `wasi:http` in one store.
pub(crate) struct Hooks {
    outbound: Option<Arc<dyn Outbound>>,
}

impl Hooks {
    pub(crate) fn new(outbound: Option<Arc<dyn Outbound>>) -> Hooks {
        Hooks { outbound }
    }
}

type Sent = Result<(http::Response<Body>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<Body>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let outbound = self.outbound.clone();
        Box::new(async move {
            let outbound = outbound.ok_or(HttpError::HttpRequestDenied)?;
            let response = outbound.send(request, options.unwrap_or_default()).await?;
            // The connection is driven by whoever sent the request.
            let driven: Box<dyn Future<Output = Result<(), HttpError>> + Send> = Box::new(async { Ok(()) });
            Ok((response, driven))
        })
    }

    fn set_host_header(&mut self) -> bool {
        // The client that sends it writes its own.
        false
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        PIECES
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }
}
