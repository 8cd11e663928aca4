//! The `#[leakcheck]` attribute.
