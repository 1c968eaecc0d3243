"use strict";

// The map of an atlas: best fits of the models that the tables show, in the plane of C9. What the
// description holds is said in atlas_page.py.
(async () => {
  const D = JSON.parse(byId("description").textContent);
  try {
    await loadPlotly();
  } catch (error) {
    byId("map-state").textContent = `The map does not work in this browser (${error.message}); one of 2023 or later does.`;
    return;
  }
  const [x, y] = Object.keys(D.axes);
  const fits = Object.keys(D.tables);
  const now = { fit: fits[0] };

  // Each table's rows as they were ranked, with what is drawn of them.
  const read = (id) => {
    const whole = byId(`table-${id}`);
    const titles = [...whole.querySelector("thead tr").cells];
    const column = Object.fromEntries(titles.map((title, i) => [title.dataset.key, i]));
    const symbol = (key) => titles[column[key]].querySelector("button").innerHTML;
    const models = [...whole.querySelector("tbody").rows].map((row) => {
      const cell = (key) => row.cells[column[key]];
      const charges = ["q", "u", "d", "l", "e", "nu", "H"].map((key) => `${symbol(key)} = ${cell(key).textContent}`);
      const values = ["epsilon_hat", "g_hat", "theta_sb"].map((key) => `${symbol(key)} = ${cell(key).textContent}`);
      const name = cell("known").innerHTML;
      return {
        row, name,
        x: valueOf(row, column[x]), y: valueOf(row, column[y]), dchi2: valueOf(row, column.dchi2),
        limit: cell("at_limit").textContent !== "",
        text: [
          `<b>number ${cell("rank").textContent}${name ? `: ${name}` : ""}</b>`,
          charges.slice(0, 3).join(", "), charges.slice(3, 6).join(", "), charges[6], ...values,
          `Δχ² = ${cell("dchi2").textContent}, p-value ${cell("p_value").querySelector("data")?.innerHTML ?? ""}`,
          `perturbative: ${cell("perturbative").textContent}`,
        ].join("<br>"),
      };
    });
    return { whole, models: models.filter((model) => typeof model.x === "number") };
  };
  const tables = Object.fromEntries(fits.map((fit) => [fit, read(D.tables[fit])]));

  function direct() {
    const { axes, height, best } = D.direct;
    const z = axes[1].map((_, j) => axes[0].map((_, i) => height[i][j])); // Plotly has y slow
    const lines = D.levels.map((level, n) => ({
      type: "contour", x: axes[0], y: axes[1], z, showscale: false, hoverinfo: "skip", autocontour: false,
      contours: { coloring: "none", start: level.height, end: level.height, size: 1 },
      line: { color: css("--ink"), width: 1.2, dash: n ? "dash" : "solid", smoothing: 0 },
    }));
    return [...lines, {
      type: "scatter", mode: "markers", x: [best[0]], y: [best[1]], marker: { symbol: "cross-thin", size: 11, line: { width: 1.6, color: css("--ink") } },
      hovertemplate: "best direct fit<extra></extra>",
    }];
  }

  let shown = [];
  function draw() {
    const { models } = tables[now.fit];
    const heights = models.map((model) => model.dchi2).sort((a, b) => a - b);
    shown = models.filter((model) => !model.row.hidden).sort((a, b) => a.dchi2 - b.dchi2); // the best on top
    const narrow = byId("map").clientWidth < 560;
    const trace = {
      type: "scatter", mode: "markers", cliponaxis: true,
      x: shown.map((model) => model.x), y: shown.map((model) => model.y), text: shown.map((model) => model.text),
      marker: {
        symbol: shown.map((model) => (model.limit ? "triangle-down" : "circle")), size: 9,
        color: shown.map((model) => model.dchi2), colorscale: "Viridis",
        cmin: heights[Math.floor(0.02 * heights.length)], cmax: heights[heights.length - 1], showscale: true,
        line: { width: 0.5, color: css("--ink") },
        colorbar: {
          title: { text: "χ²<sub>SM</sub> − χ²", side: narrow ? "top" : "right" }, outlinewidth: 0, thickness: 14,
          ...(narrow ? { orientation: "h", y: -0.22, yanchor: "top" } : {}),
        },
      },
      hovertemplate: "%{text}<extra></extra>",
    };
    const named = [{ x: 0, y: 0, name: "SM" }, ...shown.filter((model) => model.name)];
    const marks = {
      type: "scatter", mode: "markers", hoverinfo: "skip",
      x: named.map((model) => model.x), y: named.map((model) => model.y),
      marker: { symbol: named.map(({ name }) => (name === "SM" ? "circle-open" : "square-open")), size: 13, color: css("--accent"), line: { width: 2 } },
    };
    const names = named.map(({ x, y, name }, i) => ({
      x, y, text: name, ax: i && !narrow ? 50 : -54, ay: 26 + 26 * i, arrowcolor: css("--pale"), arrowwidth: 1, arrowhead: 0, standoff: 7,
      bgcolor: css("--paper"), borderpad: 1, font: { color: css("--ink"), size: 14 },
    }));
    const ends = (axis) => (D.direct ? { range: [D.direct.axes[axis][0], D.direct.axes[axis].at(-1)] } : {});
    Plotly.react("map", [trace, ...(D.direct ? direct() : []), marks], {
      ...looks(), hoverlabel: { ...looks().hoverlabel, align: "left" }, margin: { l: 60, r: 14, t: 10, b: narrow ? 110 : 50 }, annotations: names,
      xaxis: { ...axisLook(`new physics in ${D.axes[x]}`), ...ends(0) },
      yaxis: { ...axisLook(`new physics in ${D.axes[y]}`), ...ends(1) },
    }, plotOptions("atlas"));
    const beyond = D.direct
      ? shown.filter((m) => [m.x, m.y].some((v, i) => v < D.direct.axes[i][0] || v > D.direct.axes[i].at(-1))).length
      : 0;
    byId("map-says").textContent = `${shown.length} models, ${now.fit}${beyond ? `; ${beyond} of them beyond what is shown at first` : ""}.`;
  }

  byId("map-state").hidden = true;
  byId("map-body").hidden = false;
  byId("map-controls").innerHTML = fits
    .map((fit, i) => `<label><input type="radio" name="fit" value="${fit}"${i ? "" : " checked"}> ${fit}</label>`)
    .join("");
  byId("map-controls").addEventListener("input", (event) => {
    now.fit = event.target.value;
    draw();
  });
  for (const { whole } of Object.values(tables)) whole.addEventListener("input", draw);
  document.addEventListener("theme", draw);
  draw();
  byId("map").on("plotly_click", ({ points: [point] }) => {
    if (point.curveNumber !== 0) return;
    const { row } = shown[point.pointNumber];
    document.querySelector("tr.chosen")?.classList.remove("chosen");
    row.classList.add("chosen");
    const folded = row.closest("details");
    if (folded) folded.open = true;
    row.scrollIntoView({ block: "center" });
  });
})();
