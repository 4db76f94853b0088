//! Families of metrics, and their text format.

use prometheus::proto::{Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Result, TextEncoder};

/// The metrics in the order of their addition.
#[derive(Default)]
pub(super) struct Families(Vec<MetricFamily>);

/// A number with its labels.
pub(super) type Series = (Vec<LabelPair>, f64);

impl Families {
    /// The text for Prometheus.
    ///
    /// # Errors
    /// Prometheus' encoder refuses a family.
    pub(super) fn encode(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.0)
    }

    /// Adds a counter.
    pub(super) fn counter(&mut self, name: &str, help: &str, series: impl IntoIterator<Item = Series>) {
        self.add(name, help, MetricType::COUNTER, series, |metric, value| {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        });
    }

    /// Adds a gauge.
    pub(super) fn gauge(&mut self, name: &str, help: &str, series: impl IntoIterator<Item = Series>) {
        self.add(name, help, MetricType::GAUGE, series, |metric, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        });
    }

    /// Adds a histogram.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<LabelPair>, Histogram)>,
    ) {
        self.add(name, help, MetricType::HISTOGRAM, series, Metric::set_histogram);
    }

    /// Adds a family, unless it has no series: then its value is unknown.
    fn add<T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        series: impl IntoIterator<Item = (Vec<LabelPair>, T)>,
        set: fn(&mut Metric, T),
    ) {
        let mut metrics = Vec::new();
        for (labels, value) in series {
            let mut metric = Metric::from_label(labels);
            set(&mut metric, value);
            metrics.push(metric);
        }
        if metrics.is_empty() {
            return;
        }

        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

/// Labels as Prometheus has them.
pub(super) fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().map(pair).collect()
}
