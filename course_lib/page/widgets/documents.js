({
  // data: [{id, source, licence, bytes, text}]
  matching(data, source, words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    return data.filter((one) =>
      (!source || one.source === source) &&
      wanted.every((word) => one.text.toLowerCase().includes(word)));
  },

  draw(root, data) {
    const make = (tag, props, parent) => {
      const node = Object.assign(document.createElement(tag), props);
      parent.append(node);
      return node;
    };
    const style = "font:inherit;color:inherit;background:transparent;padding:.3em .7em;" +
      "border:1px solid currentColor;border-radius:.3em;min-height:2.6em";
    const state = { found: data, at: 0 };
    const bar = make("div", {}, root);
    bar.style.cssText = "display:flex;flex-wrap:wrap;gap:.6em 1em;align-items:center";

    const source = make("select", {}, make("label", { textContent: "source " }, bar));
    source.style.cssText = style;
    for (const name of ["", ...new Set(data.map((one) => one.source))]) {
      const option = make("option", { value: name, textContent: name || "all" }, source);
      option.style.cssText = "color:#111;background:#fff";
    }
    const words = make("input", { type: "search", size: 12 },
      make("label", { textContent: "holds the words " }, bar));
    words.style.cssText = style;
    const step = (label, by) => {
      const button = make("button", { type: "button", textContent: label }, bar);
      button.style.cssText = style + ";cursor:pointer";
      button.addEventListener("click", () => { state.at += by; paint(); });
      return button;
    };
    const back = step("Previous", -1);
    const next = step("Next", 1);

    const about = make("p", { ariaLive: "polite" }, root);
    about.style.cssText = "font-weight:600;overflow-wrap:anywhere;margin:.6em 0;font-size:.9em";
    const text = make("pre", { tabIndex: 0, role: "region", ariaLabel: "the document" }, root);
    text.style.cssText = "white-space:pre-wrap;overflow-wrap:anywhere;height:18em;overflow-y:auto;" +
      "margin:0;padding:.6em;background:none;color:inherit;border:1px solid currentColor;" +
      "border-radius:.3em;font-size:.85em";

    const paint = () => {
      const one = state.found[state.at];
      about.textContent = one
        ? `${state.at + 1} of ${state.found.length} · ${one.id} · ` +
          `${one.bytes.toLocaleString("en")} bytes · ${one.licence}`
        : "No document holds these words.";
      text.textContent = one ? one.text : "";
      text.scrollTop = 0;
      back.disabled = state.at <= 0;
      next.disabled = state.at >= state.found.length - 1;
      for (const button of [back, next]) button.style.opacity = button.disabled ? 0.45 : 1;
    };
    const choose = () => {
      state.found = this.matching(data, source.value, words.value);
      state.at = 0;
      paint();
    };
    source.addEventListener("change", choose);
    words.addEventListener("input", choose);
    paint();
  },
})
