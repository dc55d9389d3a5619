//! `Tap` of `appliance/_dataplane.pyi`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::tap::buffer::ReadEnd;

/// Frames of one producer, as journal records.
#[pyclass(frozen, module = "appliance._dataplane")]
pub struct Tap(pub ReadEnd);

#[pymethods]
impl Tap {
    fn take<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.0.take(|records| PyBytes::new(py, records))
    }

    #[getter]
    fn lost(&self) -> u64 {
        self.0.lost()
    }

    #[getter]
    fn ended(&self) -> bool {
        self.0.has_ended()
    }

    fn close(&self) {
        self.0.close();
    }
}
