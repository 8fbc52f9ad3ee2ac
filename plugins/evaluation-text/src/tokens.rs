//! Texts cut into words.

/// Words in lower case of two or more letters, digits or underscores: the tokens
/// of scikit-learn's `TfidfVectorizer` (`\b\w\w+\b`).
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let inner = |c: char| c.is_alphanumeric() || c == '_';
    let words = lower.split(|c| !inner(c)).filter(|word| word.chars().nth(1).is_some());
    words.map(str::to_owned).collect()
}

/// The normal form of SQuAD's official script (Rajpurkar et al., 2016): lower
/// case, without ASCII punctuation, without the articles a, an and the, words
/// parted by whitespace.
#[must_use]
pub fn squad(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    // Articles are taken out as whole words (`\b(a|an|the)\b`), so also where
    // something other than a space stands beside them.
    let mut without = String::with_capacity(plain.len());
    let mut word = String::new();
    for c in plain.chars().chain(std::iter::once(' ')) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !matches!(word.as_str(), "a" | "an" | "the") {
            without.push_str(&word);
        } else {
            without.push(' ');
        }
        word.clear();
        without.push(c);
    }
    without.split_whitespace().map(str::to_owned).collect()
}

/// Runs of the letters a to z and digits in lower case: the tokens of Google's
/// `rouge_score` without stemming.
#[must_use]
pub fn rouge(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_idea_of_a_word() {
        let text = "The cat's A-line, naïve_2!";
        assert_eq!(words(text), ["the", "cat", "line", "naïve_2"]);
        assert_eq!(squad(text), ["cats", "aline", "naïve2"]);
        assert_eq!(rouge(text), ["the", "cat", "s", "a", "line", "na", "ve", "2"]);
        assert!(words("").is_empty() && squad("the ...").is_empty() && rouge("ü").is_empty());
    }
}
