//! Unknown data: claimed whole, so that nothing is unclaimed, and swept like everything else.

use super::{Format, Input, Parse};
use crate::identify::{Match, Probe, Strength};
use crate::ledger::Role;

/// Bytes in no known format.
pub(super) struct Data;

impl Format for Data {
    fn id(&self) -> &'static str {
        "data"
    }

    fn identify(&self, _probe: &Probe<'_>) -> Option<Match> {
        Some(Match {
            strength: Strength::Fallback,
            start: 0,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Some(format) = super::proto::further_down(input) {
            return format.parse(input, out);
        }
        // A user block of any length may stand before an HDF5 file, deeper than a probe goes.
        if let Some(at) = super::hdf5::find(input) {
            return super::hdf5::parse_at(at, input, out);
        }
        out.leaf(input.whole(), Role::Opaque, "data");
        super::opaque::disk_image(input, out);
        super::keras::look_in_data(input, out);
    }
}
