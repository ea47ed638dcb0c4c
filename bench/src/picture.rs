//! Pictures of what was measured, as SVG on white, so that they can be read on a dark page, too.

use crate::Outcome;
use crate::load::Load;
use crate::report::{Series, Unit, middle};
use plotters::prelude::*;
use std::path::Path;

/// One line.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What stands at the axes. The one of `x` is logarithmic.
pub(crate) struct Axes {
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
}

/// Draws curves. Two that belong together follow each other, the second dashed: they have one colour.
pub(crate) fn curves(file: &Path, axes: &Axes, all: &[Curve]) -> Outcome {
    let points = || all.iter().flat_map(|curve| &curve.points);
    let (least, most) = points().fold((f64::MAX, 0.0_f64), |(a, b), (x, _)| (a.min(*x), b.max(*x)));
    let highest = points().fold(0.0_f64, |highest, (_, y)| highest.max(*y));
    let area = SVGBackend::new(file, (800, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(65)
        .build_cartesian_2d((least..most).log_scale(), 0.0..highest)?;
    chart.configure_mesh().x_desc(axes.x).y_desc(axes.y).draw()?;
    let mut colours = 0;
    for curve in all {
        colours += usize::from(!curve.dashed);
        let colour = Palette99::pick(colours.saturating_sub(1)).to_rgba();
        let points = curve.points.clone();
        let drawn = if curve.dashed {
            chart.draw_series(DashedLineSeries::new(points, 4, 4, colour.into()))?
        } else {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
        };
        let width = if curve.dashed { 1 } else { 2 };
        drawn.label(curve.name.clone()).legend(move |(x, y)| {
            PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(width))
        });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

/// Draws horizontal bars with their values; ours is the first.
pub(crate) fn bars(file: &Path, title: &str, all: &[(String, f64, String)]) -> Outcome {
    const ROW: i32 = 34;
    const LEFT: i32 = 300;
    const WIDTH: f64 = 360.0;
    let height = ROW * (all.len() as i32 + 2);
    let most = all.iter().fold(0.0_f64, |most, (_, value, _)| most.max(*value));
    let area = SVGBackend::new(file, (800, height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE)?;
    let text = ("sans-serif", 16).into_font();
    area.draw(&Text::new(title.to_owned(), (15, 12), ("sans-serif", 18).into_font()))?;
    for (at, (name, value, written)) in all.iter().enumerate() {
        let top = ROW * (at as i32 + 1) + ROW / 4;
        let right = LEFT + (WIDTH * value / most).max(1.0) as i32;
        let colour =
            if at == 0 { Palette99::pick(0).to_rgba() } else { RGBColor(150, 150, 150).to_rgba() };
        area.draw(&Text::new(name.clone(), (15, top + 2), text.clone()))?;
        area.draw(&Rectangle::new([(LEFT, top), (right, top + 22)], colour.filled()))?;
        area.draw(&Text::new(written.clone(), (right + 8, top + 2), text.clone()))?;
    }
    area.present()?;
    Ok(())
}

/// Draws what was measured beside several others: how many requests in a second, and how long they took.
pub(crate) fn beside(
    rates: &Path,
    latencies: &Path,
    title: &str,
    all: &[(&str, &Series)],
) -> Outcome {
    let Some((_, first)) = all.first() else { return Ok(()) };
    let mut shown =
        vec![("Rescind", first.loads().iter().map(|(_, ours)| ours).collect::<Vec<_>>())];
    for (name, series) in all {
        shown.push((*name, series.loads().iter().map(|(theirs, _)| theirs).collect()));
    }
    let bar = |(name, loads): &(&str, Vec<&Load>)| {
        let rate = middle(loads.iter().map(|load| load.rate).collect());
        ((*name).to_owned(), rate, Unit::Requests.write(rate))
    };
    bars(rates, title, &shown.iter().map(bar).collect::<Vec<_>>())?;
    let curve = |(name, loads): &(&str, Vec<&Load>)| {
        let at = |share| middle(loads.iter().map(|load| load.latency(share) * 1e3).collect());
        let shares = (0..=999).map(|step| f64::from(step) / 1000.0);
        let points = shares.map(|share| (at(share), share)).collect();
        Curve { name: (*name).to_owned(), dashed: false, points }
    };
    let axes = Axes { x: "ms until the answer", y: "share answered" };
    curves(latencies, &axes, &shown.iter().map(curve).collect::<Vec<_>>())
}
