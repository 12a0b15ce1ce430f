//! Places: sorted sets whose scores are interleaved positions.
