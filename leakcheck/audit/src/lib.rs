//! cargo leak-audit as a library.
