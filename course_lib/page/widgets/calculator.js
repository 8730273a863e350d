({
  // The formulas of course_lib.architecture.accounting.sizes, in the same order; a test compares the numbers.
  attention(s) {
    const latent = s.kv_rank > 0;
    const qk = latent ? s.d_head + s.d_rope : s.d_head;
    const value = latent ? s.d_value : s.d_head;
    return { latent, qk, value };
  },

  block(s, width) {
    const matrices = s.gated ? 3 : 2;
    const bias = s.biases === "all" ? (matrices - 1) * width + s.d_model : 0;
    return matrices * s.d_model * width + bias;
  },

  weights(s) {
    const { latent, qk, value } = this.attention(s);
    const out = s.n_heads * value * s.d_model;
    let layer;
    if (latent) {
      const wide = s.n_heads * qk;
      layer = (s.q_rank ? s.q_rank * (s.d_model + wide) : s.d_model * wide)
        + s.d_model * (s.kv_rank + s.d_rope) + s.kv_rank * s.n_heads * (s.d_head + s.d_value) + out;
    } else {
      const qkv = (s.n_heads + 2 * s.n_kv_heads) * s.d_head;
      layer = s.d_model * qkv + out + { none: 0, qkv, all: qkv + s.d_model }[s.biases];
    }
    const expertLayers = s.n_experts ? s.n_layers - s.dense_layers : 0;
    const expert = this.block(s, s.d_expert);
    const parts = {
      embedding: (s.vocab_size + s.learned_positions) * s.d_model,
      attention: s.n_layers * layer,
      feed_forward: (s.n_layers - expertLayers) * this.block(s, s.d_ff)
        + expertLayers * ((s.n_experts + s.shared_experts) * expert + s.d_model * s.n_experts),
      norms: (s.n_layers * s.norms_a_layer + 1) * s.d_model * (s.norm_bias ? 2 : 1)
        + s.n_layers * ((s.qk_norm ? 2 * s.d_head : 0) + s.kv_rank + s.q_rank),
      head: s.tied ? 0 : s.vocab_size * s.d_model,
    };
    const total = Object.values(parts).reduce((a, b) => a + b, 0);
    const idle = expertLayers * (s.n_experts - s.experts_a_token) * expert;
    return { ...parts, total, active: total - idle };
  },

  biases(s) {
    if (s.biases === "none" || s.kv_rank > 0) return 0;
    const qkv = (s.n_heads + 2 * s.n_kv_heads) * s.d_head;
    if (s.biases === "qkv") return s.n_layers * qkv;
    return s.n_layers * (qkv + s.d_model + (s.gated ? 2 : 1) * s.d_ff + s.d_model);
  },

  forwardFlops(s, seq, causal) {
    const w = this.weights(s), { qk, value } = this.attention(s);
    let matrices = w.active - w.norms - (s.vocab_size + s.learned_positions) * s.d_model - this.biases(s);
    if (s.tied) matrices += s.vocab_size * s.d_model;
    const reach = causal ? (seq + 1) / 2 : seq;
    const near = s.window ? Math.min(s.window, reach) : reach;
    const windowed = s.window ? s.n_layers - s.full_layers : 0;
    const keys = windowed * near + (s.n_layers - windowed) * reach;
    return 2 * matrices + 2 * keys * s.n_heads * (qk + value);
  },

  cacheBytes(s, seq, batch, bytes) {
    const token = s.kv_rank > 0 ? s.kv_rank + s.d_rope : 2 * s.n_kv_heads * s.d_head;
    const windowed = s.window ? s.n_layers - s.full_layers : 0;
    const tokens = windowed * Math.min(s.window || seq, seq) + (s.n_layers - windowed) * seq;
    return batch * tokens * token * bytes;
  },

  activationBytes(s, seq, batch, recompute) {
    const tokens = seq * batch;
    if (recompute === "everything") return s.n_layers * 2 * tokens * s.d_model;
    const scores = recompute === "nothing" ? 5 * s.n_heads * seq * tokens : 0;
    return s.n_layers * (34 * tokens * s.d_model + scores);
  },

  all(s, run) {
    const w = this.weights(s), forward = this.forwardFlops(s, run.seq, run.causal);
    return {
      total: w.total, active: w.active, forward, training: 3 * forward * run.tokens,
      cache: this.cacheBytes(s, run.seq, run.batch, run.bytes), weightBytes: w.total * run.bytes,
      activations: this.activationBytes(s, run.seq, run.batch, run.recompute),
    };
  },

  draw(root, { models, labels }) {
    const { make, inputs, grid, labelled, choice, number: field } = form(root);
    const number = (value) => field(value, { type: "number", min: 0, step: "any" });

    const top = grid(), sizes = grid(), run = grid();
    labelled(top, "model", "start from", choice(models.map((m, i) => [i, m.name])));
    for (const [key, text] of labels) {
      const start = models[0].sizes[key];
      const control = typeof start === "boolean" ? choice([["true", "yes"], ["false", "no"]])
        : typeof start === "string" ? choice(["none", "qkv", "all"].map((x) => [x, x])) : number(start);
      labelled(sizes, key, text, control);
    }
    labelled(run, "seq", "tokens in a row", number(4096));
    labelled(run, "batch", "rows at once", number(1));
    labelled(run, "bytes", "bytes a number", choice([["2", "2 (bf16)"], ["4", "4 (fp32)"], ["1", "1 (8 bits)"]]));
    labelled(run, "tokens", "training tokens (10⁹)", number(1000));
    labelled(run, "recompute", "recomputed in training", choice([["nothing", "nothing"], ["attention", "attention's scores"], ["everything", "each layer"]]));
    labelled(run, "causal", "scores counted", choice([["false", "all"], ["true", "unmasked half"]]));

    const table = make("table", "width:100%;border-collapse:collapse"), body = make("tbody", "");
    const caption = make("caption", "caption-side:top;text-align:left;font-weight:600", "What it costs");
    table.append(caption, body);
    const note = make("p", "margin:.4em 0");
    note.setAttribute("role", "status");

    const scaled = (x, base, units) => {
      let i = 0;
      for (; x >= base && i < units.length - 1; i++) x /= base;
      return `${x.toPrecision(x >= 1000 ? 4 : 3)} ${units[i]}`;
    };
    const bytes = (x) => scaled(x, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
    const count = (x) => scaled(x, 1000, ["", "thousand", "million", "billion", "trillion"]);
    const raised = (digits) => [...digits].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("");
    const flops = (x) => {
      const [lead, power] = x.toExponential(3).split("e+");
      return `${lead} × 10${raised(power)} FLOP`;
    };

    const read = () => {
      const s = {}, problems = [];
      for (const [key, text] of labels) {
        const kind = typeof models[0].sizes[key], raw = inputs[key].value;
        s[key] = kind === "boolean" ? raw === "true" : kind === "string" ? raw : +raw;
        if (kind === "number" && !(Number.isInteger(+raw) && raw !== "" && +raw >= 0))
          problems.push(`${text} is ${raw || "empty"}, expected a whole number`);
      }
      const settings = { seq: +inputs.seq.value, batch: +inputs.batch.value, bytes: +inputs.bytes.value,
        tokens: 1e9 * inputs.tokens.value, recompute: inputs.recompute.value, causal: inputs.causal.value === "true" };
      if (!(settings.seq >= 1 && settings.batch >= 1)) problems.push("tokens in a row and rows at once: expected at least 1");
      return { s, settings, problems };
    };
    const update = () => {
      const { s, settings, problems } = read();
      note.textContent = problems.join("; ");
      body.replaceChildren();
      if (problems.length) return;
      const r = this.all(s, settings);
      const rows = [
        ["weights", `${count(r.total)} (${r.total.toLocaleString("en")})`],
        ["weights that a token meets", count(r.active)],
        ["bytes of weights", bytes(r.weightBytes)],
        ["forward pass, a token", flops(r.forward)],
        ["training, all tokens", flops(r.training)],
        ["key-value cache", bytes(r.cache)],
        ["activations in training (layers of a 16-bit GPT)", bytes(r.activations)],
      ];
      for (const [name, value] of rows) {
        const row = make("tr", ""), head = make("th", "text-align:left;font-weight:400;padding:.15em .5em .15em 0", name);
        head.scope = "row";
        row.append(head, make("td", "text-align:right;font-variant-numeric:tabular-nums", value));
        body.append(row);
      }
    };
    const load = () => {
      const { sizes: s } = models[+inputs.model.value];
      for (const [key] of labels) inputs[key].value = String(s[key]);
      update();
    };
    inputs.model.addEventListener("change", load);
    for (const control of Object.values(inputs)) control.addEventListener("input", update);
    const more = make("details", ""), summary = make("summary", "cursor:pointer", "The sizes: change any of them");
    more.append(summary, sizes);
    root.append(top, run, more, table, note);
    load();
  },
})
