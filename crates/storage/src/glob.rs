//! The pattern language of KEYS, SCAN MATCH and PSUBSCRIBE; linear on hostile patterns.
