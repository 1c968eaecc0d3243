"use strict";

// The explorer: planes of two parameters, with the others profiled or at a value; and profiles.
// What the description and the content hold is said in explorer.py.
(async () => {
  const NONE = 65535, BEYOND = 65534; // codes of chi2
  const TYPES = { uint16: Uint16Array, float32: Float32Array };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const state = byId("explorer-state");
  const D = JSON.parse(byId("description").textContent);

  let content;
  try {
    content = await unpacked("content");
    await loadPlotly();
  } catch (error) {
    state.textContent = `The explorer does not work in this browser (${error.message}); one of 2023 or later does.`;
    return;
  }

  const array = (place) => new TYPES[place.type](content, place.start, place.size);
  // chi2 of a place as a function of the number of the node: a number, NaN, and whether it is more
  const chi2At = (place) => {
    const codes = array(place);
    const value = (k) =>
      codes[k] === NONE ? NaN : place.low + D.far * (codes[k] / BEYOND) ** 2;
    value.beyond = (k) => codes[k] === BEYOND;
    return value;
  };

  const names = Object.keys(D.axes);
  const scanned = names.filter((name) => D.axes[name].length > 1);
  const categories = D.categories, total = categories.indexOf("global");
  const label = (name) => D.parameters[name].label;
  const unit = (name) => D.parameters[name].unit;
  const titled = (name) => label(name) + (unit(name) ? ` [${unit(name)}]` : "");
  const digits = (value) => minus(String(Number(value.toPrecision(4))));
  const nearest = (list, wanted) => {
    let best = 0;
    list.forEach((x, i) => {
      if (Math.abs(x - wanted) < Math.abs(list[best] - wanted)) best = i;
    });
    return best;
  };
  const physical = (values) => {
    const mass = D.M_X ?? values.M_X;
    if (values.epsilon_hat === undefined || mass === undefined) return true;
    return Math.abs(values.epsilon_hat) <= 3000 / mass;
  };
  const fixedValues = Object.fromEntries(
    names.filter((name) => D.axes[name].length === 1).map((name) => [name, D.axes[name][0]]),
  );

  // ------------------------------------------------------------------------------ what is shown

  const first = D.planes[0]?.pair ?? [];
  const now = {
    pair: [...first],
    at: Object.fromEntries(scanned.map((name) => [name, null])), // null: profiled
    shown: new Set(categories),
    relative: "box",
    cursor: null,
  };

  const sliceKept = names.map((name) => D.slices.kept[name]);
  const sliceAxis = Object.fromEntries(
    names.map((name, a) => [name, sliceKept[a].map((i) => D.axes[name][i])]),
  );
  const strides = names.map((_, a) => sliceKept.slice(a + 1).reduce((n, kept) => n * kept.length, 1));
  const sliceChi2 = D.slices.chi2.map(chi2At);
  const slicePlaces = Object.fromEntries(
    Object.entries(D.slices.places).map(([name, place]) => [name, array(place)]),
  );

  // A view: axes, profile of each category at the nodes (x slow), and what is known of a node.
  function profiledView() {
    const plane = D.planes.find((p) => now.pair.every((name) => p.pair.includes(name)));
    const swapped = plane.pair[0] !== now.pair[0];
    const axes = plane.pair.map((name, a) => plane.kept[a].map((i) => D.axes[name][i]));
    const number = (i, j) => (swapped ? j * axes[1].length + i : i * axes[1].length + j);
    const profiles = plane.profiles.map(chi2At), chi2 = plane.chi2.map(chi2At);
    const index = Object.entries(plane.index).map(([name, place]) => [name, array(place)]);
    const places = Object.entries(plane.places).map(([name, place]) => [name, array(place)]);
    const values = (k) => ({
      ...fixedValues,
      [plane.pair[0]]: axes[0][Math.floor(k / axes[1].length)],
      [plane.pair[1]]: axes[1][k % axes[1].length],
      ...Object.fromEntries(index.map(([name, of]) => [name, D.axes[name][of[k]]])),
      ...Object.fromEntries(places.map(([name, of]) => [name, of[k]])),
    });
    return {
      x: axes[swapped ? 1 : 0],
      y: axes[swapped ? 0 : 1],
      minima: plane.minima,
      profile: (c, i, j) => profiles[c](number(i, j)),
      node: (i, j) => {
        const k = number(i, j);
        return { values: values(k), chi2: chi2.map((f) => f(k)), beyond: chi2.map((f) => f.beyond(k)) };
      },
      details: (i, j) => {
        if (!plane.pulls) return null;
        const [a, b] = swapped ? [j, i] : [i, j];
        const [p, q] = [nearest(plane.pulls.kept[0], a), nearest(plane.pulls.kept[1], b)];
        const k = plane.pulls.kept[0][p] * axes[1].length + plane.pulls.kept[1][q];
        return { of: plane.pulls, row: p * plane.pulls.kept[1].length + q, values: values(k) };
      },
    };
  }

  function slicedView() {
    const place = (name) => names.indexOf(name);
    const [ax, ay] = now.pair.map(place);
    const others = names.map((_, a) => a).filter((a) => a !== ax && a !== ay);
    let offsets = [0];
    for (const a of others) {
      const at = now.at[names[a]];
      const chosen = at === null || at === undefined ? sliceKept[a].map((_, i) => i) : [at];
      offsets = offsets.flatMap((offset) => chosen.map((i) => offset + i * strides[a]));
    }
    const x = sliceAxis[names[ax]], y = sliceAxis[names[ay]];
    const values = (k) => ({
      ...Object.fromEntries(
        names.map((name, a) => [name, sliceAxis[name][Math.floor(k / strides[a]) % sliceKept[a].length]]),
      ),
      ...Object.fromEntries(Object.entries(slicePlaces).map(([name, of]) => [name, of[k]])),
    });
    const size = x.length * y.length;
    const best = new Int32Array(size);
    const profile = categories.map(() => new Float64Array(size).fill(NaN));
    const minima = categories.map(() => Infinity);
    for (let i = 0, n = 0; i < x.length; i++) {
      for (let j = 0; j < y.length; j++, n++) {
        const start = i * strides[ax] + j * strides[ay];
        let lowest = Infinity;
        best[n] = start + offsets[0];
        const found = categories.map(() => [Infinity, Infinity]); // physical, and not
        for (const offset of offsets) {
          const k = start + offset;
          const bad = physical(values(k)) ? 0 : 1;
          for (let c = 0; c < categories.length; c++) {
            const value = sliceChi2[c](k);
            if (value < found[c][bad]) found[c][bad] = value;
            if (c === total && value + 1e9 * bad < lowest) {
              lowest = value + 1e9 * bad;
              best[n] = k;
            }
          }
        }
        found.forEach(([good, bad], c) => {
          profile[c][n] = good < Infinity ? good : bad < Infinity ? bad : NaN;
          minima[c] = Math.min(minima[c], good);
        });
      }
    }
    const number = (i, j) => best[i * y.length + j];
    return {
      x, y, minima,
      profile: (c, i, j) => profile[c][i * y.length + j],
      node: (i, j) => {
        const k = number(i, j);
        return { values: values(k), chi2: sliceChi2.map((f) => f(k)), beyond: sliceChi2.map((f) => f.beyond(k)) };
      },
      details: (i, j) => {
        if (!D.slices.pulls) return null;
        const k = number(i, j);
        let row = 0, node = 0;
        names.forEach((name, a) => {
          const some = D.slices.pulls.kept[name];
          const s = nearest(some, Math.floor(k / strides[a]) % sliceKept[a].length);
          row = row * some.length + s;
          node += some[s] * strides[a];
        });
        return { of: D.slices.pulls, row, values: values(node) };
      },
    };
  }

  const others = () => scanned.filter((name) => !now.pair.includes(name));
  const isSliced = () => others().some((name) => now.at[name] !== null);
  let view;

  // ----------------------------------------------------------------------------------- drawing

  const faint = (colour, alpha) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  };
  const dashOf = (name) => (name === "global" ? "solid" : DASHES[1 + categories.indexOf(name)] ?? "dot");
  const percent = (n) => `${Number((100 * D.levels[n].level).toPrecision(6))}%`;
  // rows of a mesh: Plotly has y slow
  const mesh = (f) => view.y.map((_, j) => view.x.map((_, i) => f(i, j)));

  function draw() {
    view = isSliced() ? slicedView() : profiledView();
    const { x, y } = view;
    const box = D.planes[0].minima;
    const base = now.relative === "plane" ? view.minima : isSliced() ? box : view.minima;
    const raw = categories.map((_, c) => mesh((i, j) => view.profile(c, i, j)));
    const heights = D.levels.map((level) => level.heights[1]);
    const known = mesh((i, j) => (Number.isFinite(raw[total][j][i]) ? 0 : null));
    const failed = (i, j) =>
      known[j][i] === null && physical({ ...fixedValues, ...chosen(), [now.pair[0]]: x[i], [now.pair[1]]: y[j] });
    const computed = css("--computed"), legend = [];
    const traces = [
      {
        type: "heatmap", x, y, z: known, zmin: 0, zmax: 1, showscale: false, hoverinfo: "skip",
        colorscale: [[0, computed], [1, computed]],
      },
    ];
    categories.forEach((name, c) => {
      const delta = raw[c].map((row) => row.map((v) => (Number.isFinite(v) ? v - base[c] : null)));
      const flat = delta.flat().filter((v) => v !== null);
      const inside = flat.filter((v) => v <= heights[0]).length / (flat.length || 1);
      const said = !flat.length || base[c] === null || !Number.isFinite(base[c]) ? "no point"
        : inside === 0 ? "nowhere here" : inside === 1 ? "everywhere here" : "";
      byId(`state-${c}`).textContent = said;
      if (now.shown.has(name) && said === "everywhere here") {
        legend.push([swatch(name, true), `all that is shown is allowed by ${who(c)} at ${percent(0)} CL`]);
      }
      if (!now.shown.has(name) || said) {
        if (!(now.shown.has(name) && c === total && said === "nowhere here")) return;
      }
      const colour = colourOf(name);
      const common = { type: "contour", x, y, z: delta, showscale: false, hoverinfo: "skip", connectgaps: false };
      const wide = c !== total && inside > 0.5; // a border alone keeps the plane readable
      legend.push([
        swatch(name, wide),
        c === total
          ? `allowed by ${who(c)}: ${percent(0)} CL filled, ${percent(1)} CL inside the dashed line`
          : `allowed by ${who(c)} at ${percent(0)} CL${wide ? ": the side of the ticks" : ""}`,
      ]);
      if (wide) traces.push(ticks(delta, heights[0], colour));
      if (inside > 0) {
        traces.push({
          ...common,
          // Plotly fills what a constraint leaves out
          contours: { type: "constraint", operation: ">", value: heights[0] },
          fillcolor: faint(colour, wide ? 0 : c === total ? 0.65 : 0.28),
          line: { color: colour, width: c === total ? 2 : 1.6, dash: dashOf(name), smoothing: 0 },
        });
      }
      if (c === total) {
        traces.push({
          ...common, autocontour: false,
          contours: { coloring: "none", start: heights[1], end: heights[1], size: 1 },
          line: { color: colour, width: 2, dash: "dash", smoothing: 0 },
        });
      }
    });
    const delta = raw[total].map((row) => row.map((v) => v - box[total]));
    traces.push({
      type: "heatmap", x, y, z: delta, opacity: 0, showscale: false, hoverongaps: true,
      hovertemplate: `${label(now.pair[0])} %{x:.4g}<br>${label(now.pair[1])} %{y:.4g}<br>Δχ² %{z:.2f}<extra></extra>`,
    });
    const beyond = unphysical();
    traces.push(...beyond);
    if (beyond.length) legend.push([area(css("--pale"), true), "unphysical: kinetic mixing |ε| &gt; 1"]);
    for (const [name, fit] of Object.entries(D.fits)) {
      const here = others().every((other) => {
        const at = now.at[other];
        if (at === null) return true;
        const axis = sliceAxis[other];
        return Math.abs(axis[at] - fit.values[other]) <= (axis[axis.length - 1] - axis[0]) / (axis.length - 1);
      });
      const words = here ? "" : ", which has other values of what is not shown";
      legend.push([`<span class="mark">${fit.main ? (here ? "★" : "☆") : here ? "◆" : "◇"}</span>`, `best fit: ${escaped(name)}${words}`]);
      traces.push({
        type: "scatter", mode: "markers", x: [fit.values[now.pair[0]]], y: [fit.values[now.pair[1]]], cliponaxis: false,
        marker: {
          symbol: (fit.main ? "star" : "diamond") + (here ? "" : "-open"), size: fit.main ? 14 : 11,
          color: css("--ink"), line: { color: here ? css("--paper") : css("--ink"), width: 1 },
        },
        hovertemplate: `best fit: ${name}<br>χ² ${fit.chi2.toFixed(2)}<extra></extra>`,
      });
    }
    traces.push(cursorTrace());
    legend.push([area(computed), "computed"]);
    if (mesh(failed).flat().includes(true)) legend.push([area(css("--paper")), "no χ²: no CKM elements fit what they are measured by"]);
    byId("legend").innerHTML = legend.map(([mark, words]) => `<li>${mark} ${words}</li>`).join("");
    const layout = {
      ...looks(), margin: { l: 60, r: 14, t: 10, b: 50 },
      xaxis: { ...axisLook(titled(now.pair[0])), range: [x[0], x[x.length - 1]] },
      yaxis: { ...axisLook(titled(now.pair[1])), range: [y[0], y[y.length - 1]] },
    };
    Plotly.react("plane", traces, layout, plotOptions("plane"));
    const gap = view.minima[total] - box[total];
    const where = Number.isFinite(view.minima[total])
      ? `Smallest χ² of this plane: ${view.minima[total].toFixed(2)}, ${minus(gap.toFixed(2))} above that of the box.`
      : "No valid physical point in this plane.";
    const how = isSliced()
      ? ` Drawn from ${x.length} × ${y.length} nodes of the scan (every one of its values would not fit in this page).`
      : ` ${x.length} × ${y.length} nodes, the others profiled as in profile.h5.`;
    byId("plane-says").textContent = where + how;
    say();
  }

  // What is beyond |ε| = 1, up to the line itself: of either sign an area between it and the edge.
  function unphysical() {
    const across = now.pair.indexOf("epsilon_hat");
    const known = { ...fixedValues, ...chosen(), ...(D.M_X === null ? {} : { M_X: D.M_X }) };
    if (across < 0 || (known.M_X === undefined && !now.pair.includes("M_X"))) return [];
    const [edges, along] = across ? [view.y, view.x] : [view.x, view.y];
    const from = along[0], to = along[along.length - 1];
    const places = Array.from({ length: 129 }, (_, k) => from + ((to - from) * k) / 128);
    return [[-1, edges[0]], [1, edges[edges.length - 1]]].flatMap(([sign, edge]) => {
      const line = places.map((at) => sign * Math.min(Math.abs(edge), 3000 / (known.M_X ?? at)));
      if (sign * edge <= 0 || line.every((limit) => limit === edge)) return [];
      const limit = [...line, edge, edge], other = [...places, to, from];
      return [{
        type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip", line: { color: css("--pale"), width: 1 },
        fillcolor: "rgba(0,0,0,0)", fillpattern: { shape: "/", fgcolor: css("--pale"), size: 9, solidity: 0.12 },
        [across ? "y" : "x"]: limit, [across ? "x" : "y"]: other,
      }];
    });
  }

  // Short strokes on the allowed side of a border, some 16 pixels apart.
  function ticks(delta, height, colour) {
    const { x, y } = view, box = byId("plane").getBoundingClientRect(), placed = [];
    const pixels = [(box.width - 74) / (x[x.length - 1] - x[0]), (box.height - 60) / (y[y.length - 1] - y[0])];
    const lines = { x: [], y: [] };
    for (let j = 0; j + 1 < y.length; j++) {
      for (let i = 0; i + 1 < x.length; i++) {
        const [a, b, c, d] = [delta[j][i], delta[j][i + 1], delta[j + 1][i], delta[j + 1][i + 1]];
        if ([a, b, c, d].includes(null)) continue;
        const values = [a, b, c, d].map((v) => v - height);
        if (Math.min(...values) > 0 || Math.max(...values) <= 0) continue;
        // of the plane through the node, in pixels: steepest descent, and the distance to the border
        const step = [(x[i + 1] - x[i]) * pixels[0], (y[j + 1] - y[j]) * pixels[1]];
        const slope = [(b + d - a - c) / 2 / step[0], (c + d - a - b) / 2 / step[1]];
        const steep = Math.hypot(...slope);
        if (!steep) continue;
        const down = slope.map((s) => -s / steep), far = ((a + b + c + d) / 4 - height) / steep;
        if (far > Math.hypot(...step) || far < -Math.hypot(...step)) continue;
        const start = [
          ((x[i] + x[i + 1]) / 2) * pixels[0] + far * down[0],
          ((y[j] + y[j + 1]) / 2) * pixels[1] + far * down[1],
        ];
        if (placed.some((other) => Math.hypot(other[0] - start[0], other[1] - start[1]) < 16)) continue;
        placed.push(start);
        lines.x.push(start[0] / pixels[0], (start[0] + 7 * down[0]) / pixels[0], null);
        lines.y.push(start[1] / pixels[1], (start[1] + 7 * down[1]) / pixels[1], null);
      }
    }
    return { type: "scatter", mode: "lines", ...lines, hoverinfo: "skip", line: { color: colour, width: 1.4 } };
  }

  const chosen = () =>
    Object.fromEntries(
      others().filter((name) => now.at[name] !== null).map((name) => [name, sliceAxis[name][now.at[name]]]),
    );

  function cursorTrace() {
    const at = now.cursor;
    return {
      type: "scatter", mode: "markers", hoverinfo: "skip", cliponaxis: false,
      x: at ? [view.x[at[0]]] : [], y: at ? [view.y[at[1]]] : [],
      marker: { symbol: "circle-cross-open", size: 16, color: css("--ink"), line: { width: 2, color: css("--ink") } },
    };
  }

  function moveCursor(i, j) {
    now.cursor = [
      Math.min(Math.max(i, 0), view.x.length - 1),
      Math.min(Math.max(j, 0), view.y.length - 1),
    ];
    const trace = byId("plane").data.length - 1, { x, y } = cursorTrace();
    Plotly.restyle("plane", { x: [x], y: [y] }, [trace]);
    say();
  }

  // ---------------------------------------------------------------------------- what is written

  const rows = (head, lines) =>
    `<div class="table"><table><thead><tr>${head.map((h, i) => `<th scope="col"${i ? ' class="number"' : ""}>${h}</th>`).join("")}</tr></thead><tbody>${lines
      .map((cells) => `<tr>${cells.map((cell, i) => (i ? `<td class="number">${cell}</td>` : `<td>${cell}</td>`)).join("")}</tr>`)
      .join("")}</tbody></table></div>`;
  const placeOf = (values) =>
    Object.entries(values)
      .map(([name, value]) => `<span data-parameter="${name}" data-value="${value}">${label(name)} = ${digits(value)}${unit(name) === "GeV" ? " GeV" : ""}</span>`)
      .join(", ");

  let details = "";
  function say() {
    if (!now.cursor) {
      byId("point").innerHTML = "";
      return;
    }
    const { values, chi2, beyond } = view.node(...now.cursor);
    const lines = categories.map((name, c) => {
      const value = chi2[c];
      if (!Number.isFinite(value)) return [escaped(name), "", ""];
      const more = beyond[c] ? "> " : "";
      return [
        escaped(name),
        `<span data-category="${escaped(name)}" data-value="${value}">${more}${value.toFixed(2)}</span>`,
        beyond[c] ? "" : minus((D.chi2_sm[name] - value).toFixed(2)),
      ];
    });
    const ok = physical(values) ? "" : " (unphysical: |ε| &gt; 1)";
    const valid = Number.isFinite(chi2[total]) ? "" : "<p>No χ² here: the CKM extraction fails.</p>";
    const note = D.profiled.length ? '<p class="note">Each category with its own minimum over what is profiled at every point.</p>' : "";
    byId("point").innerHTML =
      `<div id="node"><h4>${placeOf(values)}${ok}</h4>${valid || rows(["", "χ²", "χ²<sub>SM</sub> − χ²"], lines)}${note}</div><div id="details">${details}</div>`;
  }

  function showDetails() {
    const found = view.details(...now.cursor);
    if (!found) {
      details = '<p class="note">Pulls and coefficients of points are known to runs of the compiled engine alone.</p>';
      return say();
    }
    const { of, row, values } = found;
    const n = D.n_pulls, m = D.coefficients.length;
    const largest = array(of.largest), pulls = array(of.pulls), coefficients = array(of.coefficients);
    if (!Number.isFinite(pulls[row * n])) {
      details = `<h4>Near: ${placeOf(values)}</h4><p>No predictions there: the CKM extraction fails.</p>`;
      return say();
    }
    const lines = Array.from({ length: n }, (_, k) => {
      const [name, , sm] = D.observables[largest[row * n + k]];
      return [escaped(name), `<span data-pull="${pulls[row * n + k]}">${minus(pulls[row * n + k].toFixed(2))}</span>`, minus(sm.toFixed(2))];
    });
    const nice = (name) => name.replace(/^C(\d+)_bs(\w)\w*$/, (_, k, l) => `C<sub>${k}</sub><sup>${l === "m" ? "μ" : l}</sup>`);
    const read = D.coefficients.map((name, k) => `<span data-coefficient="${name}" data-value="${coefficients[row * m + k]}">${nice(name)} = ${minus(coefficients[row * m + k].toFixed(3))}</span>`);
    details =
      `<h4>Largest pulls at ${placeOf(values)}</h4>${rows(["observable", "pull", "SM"], lines)}` +
      `<p class="note">New physics at 4.8 GeV: ${read.join(", ")}. At the nearest of the points with pulls in this page.</p>`;
    say();
  }

  // ------------------------------------------------------------------------------------ controls

  // what stands for a colour in the controls and in the legend
  const colourOf = (name) => D.colours[name] ?? "#888888";
  const who = (c) => (c === total ? "all data" : `${escaped(categories[c])} alone`);
  const area = (colour, hatched) =>
    `<svg class="swatch" viewBox="0 0 27 14" aria-hidden="true"><rect width="27" height="14" fill="${hatched ? "none" : colour}" stroke="${css("--pale")}" stroke-width="0.8"/>${hatched ? `<path d="M2 14L12 0M9 14L19 0M16 14L26 0" stroke="${colour}"/>` : ""}</svg>`;
  const swatch = (name, wide) => {
    const dash = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "11 4", longdashdot: "10 3 2 3" }[dashOf(name)];
    const colour = colourOf(name);
    const inside = wide
      ? `<path d="M4 7V1M12 7V1M20 7V1" stroke="${colour}" stroke-width="1.4"/>`
      : `<rect width="27" height="14" fill="${colour}" opacity="${name === "global" ? 0.65 : 0.28}"/>`;
    return `<svg class="swatch" viewBox="0 0 27 14" aria-hidden="true">${inside}<path d="M0 7H27" stroke="${colour}" stroke-width="2.4" stroke-dasharray="${dash}"/></svg>`;
  };

  function controls() {
    const form = byId("controls");
    const choice = (axis) =>
      `<label>${axis ? "vertical" : "horizontal"} <select data-axis="${axis}">${scanned.map((name) => `<option value="${name}"${now.pair[axis] === name ? " selected" : ""}>${escaped(plain(name))}</option>`).join("")}</select></label>`;
    const sliders = others().map((name) => {
      const at = now.at[name], axis = sliceAxis[name];
      return `<fieldset><legend>${titled(name)}</legend><label><input type="checkbox" data-profiled="${name}"${at === null ? " checked" : ""}> profiled</label>
<label><input type="range" data-slider="${name}" aria-label="${escaped(plain(name))}" min="0" max="${axis.length - 1}" step="1" value="${at ?? middle(name)}"${at === null ? " disabled" : ""}><output data-output="${name}">${at === null ? "" : digits(axis[at])}</output></label></fieldset>`;
    });
    const regions = [...categories.keys()].map((c) => {
      const name = categories[c];
      const what = c === total ? `${percent(0)} and ${percent(1)}` : percent(0);
      return `<label><input type="checkbox" data-category="${escaped(name)}"${now.shown.has(name) ? " checked" : ""}>${swatch(name)} ${escaped(name)} ${what}<span class="label-state" id="state-${c}"></span></label>`;
    });
    const relative = [["box", "best point of the box"], ["plane", "best point of this plane"]].map(
      ([value, text]) => `<label><input type="radio" name="relative" value="${value}"${now.relative === value ? " checked" : ""}> ${text}</label>`,
    );
    form.innerHTML =
      `<fieldset><legend>Plane</legend>${choice(0)}${choice(1)}</fieldset>${sliders.join("")}<fieldset><legend>Regions, two parameters</legend>${regions.join("")}</fieldset>` +
      (others().length ? `<fieldset><legend>Relative to the</legend>${relative.join("")}</fieldset>` : "");
  }

  const plain = (name) => {
    const span = document.createElement("span");
    span.innerHTML = label(name).replace(/<sub>/g, "_");
    return span.textContent;
  };
  // a slider starts at the best fit
  const middle = (name) => {
    const main = Object.values(D.fits).find((fit) => fit.main);
    return main ? nearest(sliceAxis[name], main.values[name]) : Math.floor(sliceAxis[name].length / 2);
  };

  byId("controls").addEventListener("input", (event) => {
    const { dataset, value, checked } = event.target;
    let rebuilt = false;
    if (dataset.axis !== undefined) {
      const axis = Number(dataset.axis);
      if (now.pair[1 - axis] === value) now.pair[1 - axis] = now.pair[axis];
      now.pair[axis] = value;
      rebuilt = true;
    } else if (dataset.profiled) {
      now.at[dataset.profiled] = checked ? null : middle(dataset.profiled);
      rebuilt = true;
    } else if (dataset.slider) {
      now.at[dataset.slider] = Number(value);
      byId("controls").querySelector(`[data-output="${dataset.slider}"]`).textContent = digits(sliceAxis[dataset.slider][value]);
    } else if (dataset.category) {
      now.shown[checked ? "add" : "delete"](dataset.category);
    } else {
      now.relative = value;
    }
    if (rebuilt) {
      now.cursor = null;
      const selector = Object.entries(dataset).map(([key, text]) => `[data-${key}="${text}"]`).join("");
      controls();
      byId("controls").querySelector(selector)?.focus();
    }
    details = "";
    draw();
  });

  // --------------------------------------------------------------------------------- profiles

  function drawProfile() {
    const name = byId("profile-controls").querySelector("select").value;
    const { values, chi2 } = D.curves[name];
    const lowest = Math.min(...chi2);
    const lines = D.levels.map((level, n) => ({
      type: "line", xref: "paper", x0: 0, x1: 1, y0: level.heights[0], y1: level.heights[0],
      line: { color: css("--pale"), width: 1, dash: n ? "dash" : "solid" },
    }));
    const marks = D.levels.map((level, n) => ({
      xref: "paper", x: 1, y: level.heights[0], text: percent(n), showarrow: false, xanchor: "right", yanchor: "bottom",
      font: { size: 12, color: css("--pale") },
    }));
    const traces = [
      {
        type: "scatter", mode: "lines", x: values, y: chi2.map((v) => v - lowest), line: { color: D.colours.global, width: 2.5 },
        hovertemplate: `${label(name)} %{x:.4g}<br>Δχ² %{y:.3f}<extra></extra>`,
      },
      ...Object.entries(D.fits).map(([key, fit]) => ({
        type: "scatter", mode: "markers", x: [fit.values[name]], y: [Math.max(0, fit.chi2 - lowest)], cliponaxis: false,
        marker: { symbol: fit.main ? "star" : "diamond", size: fit.main ? 14 : 10, color: css("--ink") },
        hovertemplate: `best fit: ${key}<extra></extra>`,
      })),
    ];
    Plotly.react("profile", traces, {
      ...looks(), margin: { l: 60, r: 14, t: 10, b: 50 }, shapes: lines, annotations: marks,
      xaxis: axisLook(titled(name)),
      yaxis: { ...axisLook("χ² − χ²<sub>min</sub>, others profiled"), range: [0, Math.max(12, 1.3 * D.levels[1].heights[0])] },
    }, plotOptions("profile"));
  }

  const curves = Object.keys(D.curves).filter((name) => D.curves[name].values.length);
  const redraw = () => {
    if (D.planes.length) draw();
    if (curves.length) drawProfile();
  };

  byId("explorer-body").hidden = false;
  state.hidden = true;
  byId("profiles").hidden = !curves.length;
  if (curves.length) {
    byId("profile-controls").innerHTML =
      `<label>Parameter <select>${curves.map((name) => `<option value="${name}">${escaped(plain(name))}</option>`).join("")}</select></label>`;
    byId("profile-controls").addEventListener("input", drawProfile);
  }
  if (D.planes.length) {
    controls();
  } else {
    document.querySelector(".explorer").innerHTML = "<p>This run has no plane: fewer than two parameters are scanned.</p>";
  }
  redraw();
  document.addEventListener("theme", redraw);
  if (!D.planes.length) return;
  const plane = byId("plane");
  const under = (event) => {
    const point = event.points[0];
    return [nearest(view.x, point.x), nearest(view.y, point.y)];
  };
  plane.on("plotly_hover", (event) => moveCursor(...under(event)));
  plane.on("plotly_click", (event) => {
    moveCursor(...under(event));
    showDetails();
  });
  plane.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    const main = Object.values(D.fits).find((fit) => fit.main);
    const start = () => now.pair.map((name, a) => nearest(a ? view.y : view.x, main ? main.values[name] : 0));
    if (step) {
      const [i, j] = now.cursor ?? start();
      const far = event.shiftKey ? 10 : 1;
      moveCursor(i + far * step[0] * (now.cursor ? 1 : 0), j + far * step[1] * (now.cursor ? 1 : 0));
    } else if (event.key === "Enter" || event.key === " ") {
      if (!now.cursor) moveCursor(...start());
      showDetails();
    } else return;
    event.preventDefault();
  });
})();
