({
  // The formulas of course_lib.scaling.{plan,lifetime,cost}; a test compares the numbers.
  loss: (law, n, d) => law.E + law.A * n ** -law.a + law.B * d ** -law.b,

  optimal(law, flops) {
    const total = law.a + law.b;
    const n = (law.a * law.A / (law.b * law.B)) ** (1 / total) * (flops / 6) ** (law.b / total);
    return { n, d: flops / 6 / n };
  },

  tokensFor(law, n, loss) {
    const gap = loss - law.E - law.A * n ** -law.a;
    return gap <= 0 ? Infinity : (law.B / gap) ** (1 / law.b);
  },

  effective: (unique, repeats, decay) => unique * (1 - decay * Math.expm1(-repeats / decay)),

  repeatedLoss(law, n, d, unique, stars) {
    const fresh = Math.min(unique, d);
    const base = Math.min((law.a * law.A / (law.b * law.B) * fresh ** law.b) ** (1 / law.a), n);
    return this.loss(law, this.effective(base, n / base - 1, stars.n),
      this.effective(fresh, d / fresh - 1, stars.d));
  },

  // Golden-section search for the lowest value of f between low and high.
  lowest(f, low, high) {
    const g = (Math.sqrt(5) - 1) / 2;
    let x = high - g * (high - low), y = low + g * (high - low), fx = f(x), fy = f(y);
    for (let i = 0; i < 90; i++) {
      if (fx <= fy) { high = y; y = x; fy = fx; x = high - g * (high - low); fx = f(x); }
      else { low = x; x = y; fx = fy; y = low + g * (high - low); fy = f(y); }
    }
    return (low + high) / 2;
  },

  servingOptimal(law, loss, served) {
    const gap = loss - law.E, total = law.a + law.b;
    const top = (law.A * total / (gap * law.b)) ** (1 / law.a);
    const bottom = (law.A / gap) ** (1 / law.a);
    const cost = (x) => {
      const n = Math.exp(x);
      return Math.log(6 * n * this.tokensFor(law, n, loss) + 2 * n * served);
    };
    const n = Math.exp(this.lowest(cost, Math.log(bottom) + 1e-9, Math.log(top)));
    return { n, d: this.tokensFor(law, n, loss) };
  },

  dataLimited(law, flops, unique, stars) {
    const free = this.optimal(law, flops);
    if (free.d <= unique) return free;
    const at = (x) => this.repeatedLoss(law, Math.exp(x), flops / 6 / Math.exp(x), unique, stars);
    const middle = Math.log(free.n), n = Math.exp(this.lowest(at, middle - 6, middle + 6));
    return { n, d: flops / 6 / n };
  },

  bill(flops, peak, mfu, devices, price) {
    const hours = flops / (peak * mfu) / 3600;
    return { hours, days: hours / 24 / devices, dollars: hours * price };
  },

  // Three plans for one budget: training alone; as good, and cheapest over its life; little data.
  all(law, run, stars) {
    const best = this.optimal(law, run.flops), loss = this.loss(law, best.n, best.d);
    const served = this.servingOptimal(law, loss, run.served);
    const limited = this.dataLimited(law, run.flops, run.unique, stars);
    const row = (split, itsLoss) => {
      const flops = 6 * split.n * split.d, serving = 2 * split.n * run.served;
      const batch = Math.min(0.292 * flops ** 0.3271, split.d);
      return {
        n: split.n, d: split.d, ratio: split.d / split.n, epochs: Math.max(1, split.d / run.unique),
        loss: itsLoss, batch, steps: split.d / batch, lr: 0.3118 * flops ** -0.125, flops,
        lifetime: flops + serving, ...this.bill(flops, run.peak, run.mfu, run.devices, run.price),
      };
    };
    const repeated = (split) => this.repeatedLoss(law, split.n, split.d, run.unique, stars);
    return [row(best, loss), row(served, loss), row(limited, repeated(limited))];
  },

  draw(root, { laws, hardware, stars, start }) {
    const { make, inputs, grid, labelled, choice, number: field } = form(root);
    const number = (value) => field(value, { type: "text", inputMode: "decimal" });
    const top = grid();
    labelled(top, "law", "law", choice(laws.map((l, i) => [i, l.name])));
    labelled(top, "flops", "training budget (FLOPs)", number(start.flops));
    labelled(top, "served", "tokens served in its life", number(start.served));
    labelled(top, "unique", "different tokens you have", number(start.unique));
    labelled(top, "hardware", "device", choice(hardware.map((h, i) => [i, h.name])));
    labelled(top, "devices", "devices", number(start.devices));
    labelled(top, "mfu", "utilisation (share of peak)", number(start.mfu));
    labelled(top, "price", "dollars a device-hour", number(start.price));
    inputs.hardware.value = String(Math.max(0, hardware.findIndex((h) => h.name === start.hardware)));

    const scroll = make("div", "overflow-x:auto"), table = make("table", "width:100%;border-collapse:collapse;font-size:.9em");
    const caption = make("caption", "caption-side:top;text-align:left;font-weight:600", "Three ways to spend it");
    const body = make("tbody", ""), head = make("thead", ""), note = make("p", "margin:.4em 0");
    note.setAttribute("role", "status");
    table.append(caption, head, body);
    scroll.append(table);

    const short = (x) => {
      const units = [[1e15, "Q"], [1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
      const unit = units.find(([size]) => x >= size);
      return unit ? `${(x / unit[0]).toPrecision(3)} ${unit[1]}` : x.toPrecision(3);
    };
    const lines = [
      ["parameters", (r) => short(r.n)], ["tokens", (r) => short(r.d)],
      ["tokens a parameter", (r) => short(r.ratio)], ["passes over the data", (r) => r.epochs.toPrecision(3)],
      ["predicted loss", (r) => r.loss.toFixed(3)], ["batch (tokens)", (r) => short(r.batch)],
      ["steps", (r) => short(r.steps)], ["peak rate", (r) => r.lr.toExponential(1)],
      ["FLOPs, training", (r) => r.flops.toExponential(2)], ["FLOPs, whole life", (r) => r.lifetime.toExponential(2)],
      ["device-hours", (r) => short(r.hours)], ["days", (r) => short(r.days)], ["dollars", (r) => short(r.dollars)],
    ];
    const names = ["best to train", "as good, cheapest to train and serve", "best on your data"];
    const cell = (tag, text, align) => make(tag, `text-align:${align};font-weight:400;padding:.15em .4em;vertical-align:bottom`, text);
    const update = () => {
      const run = { peak: hardware[+inputs.hardware.value].peak }, problems = [];
      for (const [key, text] of [["flops", "budget"], ["served", "tokens served"], ["unique", "different tokens"], ["devices", "devices"], ["mfu", "utilisation"], ["price", "price"]]) {
        run[key] = inputs[key].value.trim() === "" ? NaN : Number(inputs[key].value);
        const zero = key === "served" || key === "price";
        if (!(zero ? run[key] >= 0 : run[key] > 0) || (key === "mfu" && run.mfu > 1))
          problems.push(`${text} is ${inputs[key].value || "empty"}, expected ${key === "mfu" ? "a share above 0, at most 1" : "a number such as 1e21"}`);
      }
      note.textContent = problems.join("; ");
      head.replaceChildren();
      body.replaceChildren();
      if (problems.length) return;
      const rows = this.all(laws[+inputs.law.value], run, stars), titles = make("tr", "");
      titles.append(cell("td", "", "left"), ...names.map((name) => Object.assign(cell("th", name, "right"), { scope: "col" })));
      head.append(titles);
      for (const [name, show] of lines) {
        const row = make("tr", "");
        row.append(Object.assign(cell("th", name, "left"), { scope: "row" }), ...rows.map((r) => cell("td", show(r), "right")));
        body.append(row);
      }
    };
    for (const control of Object.values(inputs)) control.addEventListener("input", update);
    root.append(top, scroll, note);
    update();
  },
})
