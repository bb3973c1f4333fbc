//! What a guest finds before its first instruction.
