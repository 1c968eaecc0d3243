"use strict";

// What all plots have in common: Plotly, which is unpacked, and looks that follow the theme.
const byId = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const minus = (text) => text.replace("-", "−");
const escaped = (text) =>
  String(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function loadPlotly() {
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(await unpacked("plotly"));
  document.head.append(script);
}

const looks = () => ({
  paper_bgcolor: css("--paper"), plot_bgcolor: css("--paper"),
  font: { color: css("--ink"), family: "system-ui, sans-serif", size: 14 },
  showlegend: false, hovermode: "closest",
  dragmode: matchMedia("(pointer: coarse)").matches ? false : "pan", // a finger scrolls the page
  hoverlabel: { bgcolor: css("--box"), bordercolor: css("--line"), font: { color: css("--ink") } },
});

const axisLook = (title) => ({
  title: { text: title, standoff: 8 }, gridcolor: css("--grid"), zeroline: false, linecolor: css("--line"),
  ticks: "outside", tickcolor: css("--line"), automargin: true, showgrid: false, mirror: true, showline: true,
});

const plotOptions = (filename) => ({
  responsive: true, displaylogo: false, scrollZoom: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "svg", filename },
});
