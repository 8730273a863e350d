({
  // The filters of course_lib.architecture: temperature, top-k, top-p, min-p, in that order.
  softmax(logits) {
    const top = Math.max(...logits);
    const weights = logits.map((l) => Math.exp(l - top));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / sum);
  },

  // Probabilities after the filters; 0 for a token that may not be drawn.
  filtered(logits, { temperature, topK, topP, minP }) {
    let kept = logits.map((l) => l / temperature);
    if (topK < kept.length) {
      const least = [...kept].sort((a, b) => b - a)[topK - 1];
      kept = kept.map((l) => (l < least ? -Infinity : l));
    }
    if (topP < 1) {
      const p = this.softmax(kept);
      let before = 0; // the mass of the likelier tokens
      for (const i of p.map((_, i) => i).sort((a, b) => p[b] - p[a])) {
        if (before >= topP) kept[i] = -Infinity;
        before += p[i];
      }
    }
    if (minP > 0) {
      const p = this.softmax(kept);
      const least = minP * Math.max(...p);
      kept = kept.map((l, i) => (p[i] < least ? -Infinity : l));
    }
    return this.softmax(kept);
  },

  entropy(p) {
    return -p.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0);
  },

  draw(root, { tokens, contexts, shown }) {
    const make = (tag, style, text) => {
      const element = document.createElement(tag);
      element.style.cssText = style;
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const add = (parent, ...children) => (parent.append(...children), parent);

    const select = make("select", "max-width:100%;font:inherit;color:inherit;background:transparent;border:1px solid currentColor;border-radius:.25em;padding:.15em");
    select.id = `${root.id}-context`;
    contexts.forEach((context, i) => {
      const option = make("option", "color:#111;background:#fff", context.name);
      option.value = i;
      select.append(option);
    });
    const chooser = make("label", "display:block;font-weight:600", "After the text");
    chooser.htmlFor = select.id;
    const prompt = make("p", "margin:.4em 0;font-family:ui-monospace,monospace;font-size:.875em;white-space:pre-wrap;overflow-wrap:anywhere");

    const sliders = {};
    const controls = make("div", "display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.3em 1.2em;margin:.6em 0");
    const slider = (key, name, min, max, step, value, show) => {
      const input = make("input", "width:100%;margin:0");
      Object.assign(input, { type: "range", id: `${root.id}-${key}`, min, max, step, value });
      const label = make("label", "display:flex;justify-content:space-between;font-size:.9em");
      label.htmlFor = input.id;
      const value_ = make("output", "font-variant-numeric:tabular-nums");
      add(controls, add(make("div", ""), add(label, make("span", "", name), value_), input));
      input.addEventListener("input", () => update());
      sliders[key] = () => {
        value_.textContent = show(+input.value);
        input.setAttribute("aria-valuetext", value_.textContent);
        return +input.value;
      };
    };
    slider("temperature", "temperature", 0.1, 2, 0.05, 1, (v) => v.toFixed(2));
    slider("topK", "top-k", 1, 101, 1, 101, (v) => (v > 100 ? "off" : String(v)));
    slider("topP", "top-p", 0.05, 1, 0.01, 1, (v) => (v >= 1 ? "off" : v.toFixed(2)));
    slider("minP", "min-p", 0, 0.5, 0.01, 0, (v) => (v === 0 ? "off" : v.toFixed(2)));

    const summary = make("p", "margin:.4em 0");
    summary.setAttribute("aria-live", "polite");
    const bars = make("div", "display:grid;grid-template-columns:minmax(5.5em,max-content) 1fr 4.2em;gap:1px .5em;align-items:center;font-size:.875em");
    bars.setAttribute("role", "img");
    const legend = make("p", "margin:.4em 0;font-size:.85em");
    add(legend, make("span", "display:inline-block;width:1.2em;height:.7em;background:#0072B2;margin-right:.3em"),
      "after the filters  ", make("span", "display:inline-block;width:1.2em;height:.7em;border:1px solid currentColor;margin:0 .3em 0 .8em"),
      "as the model has it");

    const visible = (text) => text.replaceAll(" ", "·").replaceAll("\n", "⏎");
    const percent = (p) => (p === 0 ? "–" : p < 0.0005 ? "<0.1 %" : `${(100 * p).toFixed(1)} %`);
    const update = () => {
      const context = contexts[+select.value];
      const settings = Object.fromEntries(Object.keys(sliders).map((key) => [key, sliders[key]()]));
      if (settings.topK > 100) settings.topK = tokens.length;
      const model = this.softmax(context.logits);
      const left = this.filtered(context.logits, settings);
      const order = model.map((_, i) => i).sort((a, b) => model[b] - model[a]);
      const kept = left.filter((p) => p > 0).length;
      const mass = model.reduce((sum, p, i) => sum + (left[i] > 0 ? p : 0), 0);
      prompt.textContent = context.text;
      summary.textContent =
        `${kept} of ${tokens.length} tokens may be drawn. The model gave them ` +
        `${(100 * mass).toFixed(1)} % of its probability. Entropy ${this.entropy(left).toFixed(2)} ` +
        `nats; the model's own is ${this.entropy(model).toFixed(2)}.`;
      bars.setAttribute("aria-label", "The likeliest tokens: " + order.slice(0, 5)
        .map((i) => `${tokens[i].trim() || "space"} ${percent(left[i])}`).join(", "));
      const scale = Math.max(...left, ...model);
      bars.replaceChildren();
      for (const i of order.slice(0, shown)) {
        const out = left[i] === 0;
        const track = make("div", "position:relative;height:1em");
        add(track,
          make("div", `position:absolute;inset:1px auto 1px 0;width:${(100 * left[i]) / scale}%;background:#0072B2`),
          make("div", `position:absolute;inset:1px auto 1px 0;width:${(100 * model[i]) / scale}%;border:1px solid currentColor;box-sizing:border-box`));
        add(bars,
          make("code", `white-space:pre;color:inherit;background:none;${out ? "text-decoration:line-through" : ""}`, visible(tokens[i])),
          track,
          make("span", "text-align:right;font-variant-numeric:tabular-nums", percent(left[i])));
      }
    };
    select.addEventListener("change", update);
    add(root, chooser, select, prompt, controls, summary, bars, legend);
    update();
  },
})
