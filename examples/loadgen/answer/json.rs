//! The facts as an object. docs/loadgen.md says what each key means.

use serde_json::{Value, json};

use super::{Answer, Times};
use crate::queueing::Model;
use crate::stations::Ceiling;

impl Answer<'_> {
    pub(crate) fn json(&self) -> Value {
        let (row, even) = (self.row(), &self.break_even);
        let cpu = self.cheapest.as_ref();
        let ceiling =
            |ceiling: &Ceiling| json!({ "of": ceiling.of, "ops_per_second": ceiling.ops_per_second });
        let alone_us = row.model.as_ref().map(|model| model.alone.nsec / 1e3);
        json!({
            "row": self.index,
            "software": {
                "ops_per_second": self.software.ops_per_second,
                "cpu_ns_per_op": self.software.cpu_ns,
                "measured": if self.software.is_aside { "aside" } else { "row" },
            },
            "ops_per_second": {
                "offload": row.ops_per_second,
                "ratio": self.ratio(),
                "ahead": row.paced.is_none().then(|| self.ratio() > 1.0),
            },
            "cpu_ns_per_op": cpu.map(|cheapest| json!({
                "row": self.rows.iter().position(|row| std::ptr::eq(row, cheapest.row)),
                "offload": cheapest.cpu_ns,
                "ratio": cheapest.cpu_ns / self.software.cpu_ns,
                "ahead": cheapest.cpu_ns < self.software.cpu_ns,
            })),
            "break_even": {
                "by_model": even.by_model.map(|jobs| json!({
                    "jobs": jobs,
                    "ceiling": even.ceiling.as_ref().map(ceiling),
                    "alone_us": alone_us,
                })),
                "by_rows": even.by_rows.map(|jobs| json!({ "jobs": jobs })),
                "cpu": even.by_cpu.map(|jobs| json!({ "jobs": jobs })),
            },
            "limit": self.limit().as_ref().map(ceiling),
            "reached": self.reached(),
            "ceilings": self.ceilings.iter().map(ceiling).collect::<Vec<_>>(),
            "generator_ns_per_op": self.own_cost.map(|own| own.cpu_ns()),
            "generator": self.own_cost.map(|own| own.json()),
            "pausing": self.pausing,
            "late_us": row.model.as_ref().map(Model::late_json),
            "host_bound": row.model.as_ref().map(|model| model.host_bound),
            "time_us": self.times.as_ref().map(Times::json),
            "histogram": row.bins.iter().map(|bin| json!({
                "from_ns": bin.from,
                "to_ns": bin.to,
                "count": bin.count,
            })).collect::<Vec<_>>(),
        })
    }
}

impl Times {
    fn json(&self) -> Value {
        json!({
            "timed": self.timed,
            "queue": self.queue / 1e3,
            "service": self.service / 1e3,
            "wake": self.wake / 1e3,
            "resume": self.resume / 1e3,
            "caller": self.caller.map(|nsec| nsec / 1e3),
        })
    }
}
