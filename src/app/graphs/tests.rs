//! Keys in, state and requests out.
