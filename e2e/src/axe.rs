//! Whether everybody can use a page: the rules of axe-core, run in the browser.
//!
//! `AXE_DIR` names the folder of the npm package axe-core.

use crate::page::Page;
use crate::program;
use std::sync::LazyLock;

static AXE: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(program("AXE_DIR").join("axe.min.js")).unwrap());

/// WCAG 2.2 at levels A and AA, and what its makers advise beyond that.
const RUN: &str = "
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const rules = { 'target-size': { enabled: true } };
    const told = await axe.run(document, { runOnly: tags, rules, resultTypes: ['violations'] });
    if (told.passes.length === 0) return ['axe-core has checked nothing'];
    return told.violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html, failureSummary }) => [id, help, html, failureSummary].join(': ')));";

/// What the page shown now does wrong, one line each.
pub async fn violations(page: &Page) -> Vec<String> {
    if page.script("return typeof axe").await != "object" {
        page.script(&AXE).await;
    }
    let told = page.asynchronously(RUN).await;
    serde_json::from_value(told.clone()).unwrap_or_else(|_| panic!("axe-core says: {told}"))
}
