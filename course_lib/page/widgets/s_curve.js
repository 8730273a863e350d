({
  // data: {bands, rows, threshold, most}
  chance(jaccard, bands, rows) {
    return 1 - (1 - jaccard ** rows) ** bands;
  },

  // the similarity at which the chance is p: the curve turned round
  similarity(p, bands, rows) {
    return (1 - (1 - p) ** (1 / bands)) ** (1 / rows);
  },

  draw(root, data) {
    const make = (tag, props, parent) => {
      const node = Object.assign(document.createElement(tag), props);
      parent.append(node);
      return node;
    };
    const state = { bands: data.bands, rows: data.rows, similarity: data.threshold };
    const bar = make("div", {}, root);
    bar.style.cssText = "display:flex;flex-wrap:wrap;gap:.6em 1.4em";
    const slider = (label, key, min, max, step) => {
      const wrap = make("label", {}, bar);
      wrap.style.cssText = "display:flex;flex-direction:column;flex:1 1 9em;min-width:9em";
      const name = make("span", {}, wrap);
      const input = make("input", { type: "range", min, max, step, value: state[key] }, wrap);
      input.style.cssText = "width:100%;min-height:2em;accent-color:#0072B2";
      const say = () => { name.textContent = `${label}: ${state[key]}`; };
      input.addEventListener("input", () => { state[key] = +input.value; say(); paint(); });
      say();
    };
    slider("bands", "bands", 1, data.most, 1);
    slider("rows of a band", "rows", 1, 16, 1);
    slider("true similarity of a pair", "similarity", 0.05, 1, 0.01);

    const space = "http://www.w3.org/2000/svg";
    const shape = (tag, attributes, parent) => {
      const node = document.createElementNS(space, tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      parent.append(node);
      return node;
    };
    const svg = shape("svg", { viewBox: "0 0 420 250", role: "img" }, root);
    svg.style.cssText = "display:block;width:100%;max-width:520px;height:auto;margin:.6em 0";
    const x = (jaccard) => 44 + 360 * jaccard;
    const y = (p) => 206 - 190 * p;
    const text = (left, top, words, anchor = "middle") => {
      const node = shape("text", { x: left, y: top, fill: "currentColor", "font-size": 13,
        "text-anchor": anchor }, svg);
      node.textContent = words;
      return node;
    };
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      shape("line", { x1: x(0), x2: x(1), y1: y(tick), y2: y(tick), stroke: "currentColor",
        "stroke-opacity": 0.2 }, svg);
      text(38, y(tick) + 4, tick, "end");
      text(x(tick), 224, tick);
    }
    text(x(0.5), 244, "true Jaccard similarity");
    const curve = shape("path", { fill: "none", stroke: "#0072B2", "stroke-width": 3 }, svg);
    const guide = shape("path", { fill: "none", stroke: "currentColor", "stroke-dasharray": "4 4" }, svg);
    const dot = shape("circle", { r: 6, fill: "#D55E00" }, svg);
    const said = make("p", { ariaLive: "polite" }, root);
    said.style.cssText = "min-height:4.5em;margin:.2em 0;font-size:.95em";

    const paint = () => {
      const { bands, rows, similarity } = state;
      const p = this.chance(similarity, bands, rows);
      const points = Array.from({ length: 101 }, (_, i) => i / 100);
      curve.setAttribute("d", "M" + points.map(
        (s) => `${x(s).toFixed(1)} ${y(this.chance(s, bands, rows)).toFixed(1)}`).join("L"));
      guide.setAttribute("d", `M${x(similarity)} ${y(0)}V${y(p)}H${x(0)}`);
      dot.setAttribute("cx", x(similarity));
      dot.setAttribute("cy", y(p));
      const half = this.similarity(0.5, bands, rows);
      said.textContent = `${bands * rows} hashes, ${8 * bands} bytes of band keys a document. ` +
        `A pair of similarity ${similarity} is compared with probability ${p.toFixed(3)}. ` +
        `Even odds lie at ${half.toFixed(2)}.`;
      svg.setAttribute("aria-label", `The chance to be compared against similarity. ${said.textContent}`);
    };
    paint();
  },
})
