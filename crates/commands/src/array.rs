//! Arrays (Redis 8.8): values by index.
