//! A request that outlives the buffer it arrived in.
//!
//! Owns its words, in one allocation. For what is queued by MULTI or run on another thread; an ordinary request
//! never becomes one.

/// The words of one request; the name is the first.
#[derive(Clone, Debug)]
pub(crate) struct OwnedRequest {
    bytes: Box<[u8]>,
    ends: Box<[usize]>,
}

impl OwnedRequest {
    /// A copy of these words.
    pub(crate) fn copy(words: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(words.iter().map(|word| word.len()).sum());
        let mut ends = Vec::with_capacity(words.len());
        for word in words {
            bytes.extend_from_slice(word);
            ends.push(bytes.len());
        }
        OwnedRequest { bytes: bytes.into(), ends: ends.into() }
    }

    /// Its words.
    pub(crate) fn words(&self) -> Vec<&[u8]> {
        let mut start = 0;
        self.ends
            .iter()
            .map(|end| {
                let word = self.bytes.get(start..*end).unwrap_or_default();
                start = *end;
                word
            })
            .collect()
    }

    /// What it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.ends.len() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        let words: &[&[u8]] = &[b"SET", b"", b"a b\r\n"];
        assert_eq!(OwnedRequest::copy(words).words(), words);
    }
}
