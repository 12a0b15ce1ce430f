//! Requests: any bytes are requests or a mistake, in pieces of any length the same, and as another parser reads them.
//!
//! The first byte says how long the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Parser, Peer, ProtocolError, Words};
use redis_protocol::resp2::{decode::decode, types::OwnedFrame};

type Request = Vec<Vec<u8>>;

fn read(data: &[u8], piece: usize, most: usize) -> (Vec<Request>, Option<ProtocolError>) {
    let (mut parser, mut buffer, mut seen) = (Parser::default(), Vec::new(), Vec::new());
    for piece in data.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match parser.parse(&buffer, Peer::Client, most) {
                Err(error) => return (seen, Some(error)),
                Ok(0) => break,
                Ok(_) => {}
            }
            let mut bytes = 0;
            for request in parser.requests(&buffer) {
                let mut room = Words::default();
                let words = request.collect(&mut room);
                assert_eq!(words.len(), request.len());
                bytes += request.bytes().len();
                seen.push(words.iter().map(|word| word.to_vec()).collect());
            }
            let used = parser.consume();
            assert!(used >= bytes, "empty requests and lines count too");
            buffer.drain(..used);
        }
    }
    (seen, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, data)) = data.split_first() else { return };
    let whole = read(data, data.len(), 64);
    assert_eq!(whole, read(data, usize::from(piece), 1 + usize::from(piece) % 7));
    // What the other parser takes for an array of strings is a request here, unless it is none to Redis: lengths
    // with zeros before them, no words at all.
    if let (Some(first), Ok(Some((OwnedFrame::Array(words), _)))) = (whole.0.first(), decode(data)) {
        let words: Option<Request> = words
            .into_iter()
            .map(|word| if let OwnedFrame::BulkString(word) = word { Some(word) } else { None })
            .collect();
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            assert_eq!(*first, words);
        }
    }
});
