//! Score: a totally ordered f64, and Redis' text form of it; NaN cannot exist.
