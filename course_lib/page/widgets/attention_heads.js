({
  // data: {pieces: [token], layers, heads, scale, weights: [layer][head][query] = [key 0 … query]}
  strongest(row, count) {
    return row.map((w, i) => [w, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, count);
  },

  column(data, layer, head, key) {
    return data.weights[layer][head].map((row) => (key < row.length ? row[key] : 0));
  },

  draw(root, data) {
    const make = (tag, props, parent) => {
      const node = Object.assign(document.createElement(tag), props);
      if (parent) parent.append(node);
      return node;
    };
    const state = { layer: data.start[0], head: data.start[1], token: data.start[2], back: true };
    const bar = make("div", {}, root);
    bar.style.cssText = "display:flex;flex-wrap:wrap;gap:.5em 1.2em;align-items:center";
    const choice = (label, count, key) => {
      const wrap = make("label", { textContent: label + " " }, bar);
      const select = make("select", {}, wrap);
      for (let i = 0; i < count; i++) make("option", { value: i, textContent: i }, select);
      select.value = state[key];
      select.style.cssText = "font:inherit;color:inherit;background:transparent;padding:.2em .4em";
      for (const option of select.options) option.style.cssText = "color:#111;background:#fff";
      select.addEventListener("change", () => { state[key] = +select.value; paint(); });
    };
    choice("block", data.layers, "layer");
    choice("head", data.heads, "head");
    const turn = make("button", { type: "button" }, bar);
    turn.style.cssText = "font:inherit;color:inherit;background:transparent;padding:.2em .6em;" +
      "border:1px solid currentColor;border-radius:.3em;cursor:pointer";
    turn.addEventListener("click", () => { state.back = !state.back; paint(); });

    const text = make("div", { role: "group", ariaLabel: "tokens: choose one" }, root);
    text.style.cssText = "margin:.8em 0;line-height:2;font-family:ui-monospace,'DejaVu Sans Mono'," +
      "monospace;font-size:.875em;overflow-wrap:anywhere";
    const tokens = data.pieces.map((piece, i) => {
      const button = make("button", { type: "button", textContent: piece }, text);
      button.style.cssText = "font:inherit;color:inherit;margin:0 1px;padding:.1em .15em;" +
        "border-radius:.25em;cursor:pointer;white-space:pre";
      button.addEventListener("click", () => choose(i));
      return button;
    });
    text.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const ends = { Home: 0, End: tokens.length - 1 }[event.key];
      if (step === undefined && ends === undefined) return;
      event.preventDefault();
      const to = ends ?? Math.min(tokens.length - 1, Math.max(0, state.token + step));
      choose(to);
      tokens[to].focus();
    });
    const said = make("p", { ariaLive: "polite" }, root);
    said.style.cssText = "min-height:4.5em;margin:.2em 0;font-size:.9em";

    const choose = (i) => { state.token = i; paint(); };
    const percent = (w) => `${Math.round((100 * w) / data.scale)} %`;
    const paint = () => {
      const { layer, head, token, back } = state;
      const row = back ? data.weights[layer][head][token] : this.column(data, layer, head, token);
      tokens.forEach((button, i) => {
        const weight = (row[i] ?? 0) / data.scale;
        const hidden = back ? i > token : i < token;
        button.style.background = hidden ? "transparent" : `rgba(230,159,0,${0.45 * Math.sqrt(weight)})`;
        button.style.border = `2px solid ${i === token ? "currentColor" : "transparent"}`;
        button.style.opacity = hidden ? 0.75 : 1;
        button.tabIndex = i === token ? 0 : -1;
        button.setAttribute("aria-pressed", i === token);
        button.title = hidden ? "not visible from here" : percent(weight * data.scale);
      });
      turn.textContent = back ? "shows: what it looks at" : "shows: who looks at it";
      const best = this.strongest(row, 5).filter(([w]) => w > 0);
      const list = best.map(([w, i]) => `“${data.pieces[i].trim()}” (${i}) ${percent(w)}`).join(", ");
      const verb = back ? "looks at" : "is looked at by";
      said.textContent = `Head ${layer}.${head}: “${data.pieces[token].trim()}” (${token}) ${verb} ${list}.`;
    };
    paint();
  },
})
