//! The hot path of media.
