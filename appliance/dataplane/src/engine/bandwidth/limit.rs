//! What the estimate is worth to those who divide it.

/// How far the estimate can be relied on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The receiver reports nothing: no limit.
    None,
    /// Bits per second, still being found out: everybody keeps the lowest layer.
    Starting(f64),
    /// Bits per second.
    Known(f64),
}

/// What the link can take beside what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Perhaps more than the estimate.
    Unknown,
    /// The estimate and no more.
    Full,
    /// Less, until the queue is gone that stands in front of it.
    Queue,
}

impl Limit {
    /// In bits per second, if there is one.
    pub fn bps(self) -> Option<f64> {
        match self {
            Limit::None => None,
            Limit::Starting(bps) | Limit::Known(bps) => Some(bps),
        }
    }
}
