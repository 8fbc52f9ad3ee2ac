//! `LIKE`: `%` stands for any text, `_` for one character.

/// Whether `text` as a whole fits `pattern`; case counts.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut t, mut p) = (0, 0);
    // Where the last `%` stood and how much it has taken: on a mismatch it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '_' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '%'))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn percent_and_underscore() {
        for (text, pattern, fits) in [
            ("model", "model", true),
            ("model", "mod%", true),
            ("model", "%del", true),
            ("model", "m%d%l", true),
            ("model", "m_del", true),
            ("model", "m_el", false),
            ("model", "Model", false),
            ("", "%", true),
            ("", "_", false),
            ("aab", "%ab", true),
            ("größe", "gr__e", true),
            ("a.b", "a_b", true),
            ("abc", "a.c", false),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!like(&"a".repeat(2000), &format!("{}b", "a%".repeat(200))));
    }
}
