({
  // The formulas of course_lib.architecture.accounting.formulas, in the same order; a test compares the numbers.
  attention(s) {
    const latent = s.kv_rank > 0;
    const qk = latent ? s.d_head + s.d_rope : s.d_head;
    const value = latent ? s.d_value : s.d_head;
    return { latent, qk, value };
  },

  // Matrices as [inputs, outputs].
  attentionMatrices(s) {
    const { latent, qk, value } = this.attention(s);
    const out = [s.n_heads * value, s.d_model], queries = s.n_heads * qk, keys = s.n_kv_heads * s.d_head;
    if (!latent) return [[s.d_model, queries], [s.d_model, keys], [s.d_model, keys], out];
    const down = s.q_rank ? [[s.d_model, s.q_rank]] : [];
    return [...down, [s.q_rank || s.d_model, queries], [s.d_model, s.kv_rank + s.d_rope],
      [s.kv_rank, s.n_heads * (s.d_head + s.d_value)], out];
  },

  mlpMatrices: (s, width) => [...Array(s.gated ? 2 : 1).fill([s.d_model, width]), [width, s.d_model]],
  entries: (matrices) => matrices.reduce((sum, [inputs, outputs]) => sum + inputs * outputs, 0),
  biases: (matrices) => matrices.reduce((sum, [, outputs]) => sum + outputs, 0),

  weights(s) {
    const attention = this.attentionMatrices(s), expertLayers = s.n_experts ? s.n_layers - s.dense_layers : 0;
    const biases = { none: 0, qkv: this.biases(attention.slice(0, -1)), all: this.biases(attention) }[s.biases];
    const [mlp, expert] = [s.d_ff, s.d_expert].map((width) => this.mlpMatrices(s, width))
      .map((block) => this.entries(block) + (s.biases === "all" ? this.biases(block) : 0));
    const norm = s.norm_bias ? 2 : 1;
    const parts = {
      embedding: (s.vocab_size + s.learned_positions) * s.d_model,
      attention: s.n_layers * (this.entries(attention) + biases),
      mlp: (s.n_layers - expertLayers) * mlp
        + expertLayers * (s.d_model * s.n_experts + (s.n_experts + s.shared_experts) * expert),
      norms: (s.n_layers * s.norms_a_layer + 1) * s.d_model * norm
        + s.n_layers * ((s.qk_norm ? 2 * s.d_head * norm : 0) + (s.kv_rank > 0 ? s.kv_rank + s.q_rank : 0)),
      head: s.tied ? 0 : s.vocab_size * s.d_model,
    };
    const total = Object.values(parts).reduce((a, b) => a + b, 0);
    const idle = expertLayers * (s.n_experts - s.experts_a_token) * expert;
    return { ...parts, total, active: total - idle };
  },

  // Of one row of seq tokens.
  forwardFlops(s, seq, causal) {
    const expertLayers = s.n_experts ? s.n_layers - s.dense_layers : 0;
    const experts = (s.experts_a_token + s.shared_experts) * this.entries(this.mlpMatrices(s, s.d_expert));
    const met = s.n_layers * this.entries(this.attentionMatrices(s)) + s.d_model * s.vocab_size
      + (s.n_layers - expertLayers) * this.entries(this.mlpMatrices(s, s.d_ff))
      + expertLayers * (s.d_model * s.n_experts + experts);
    return 2 * seq * met + this.attentionFlops(s, seq, causal);
  },

  attentionFlops(s, seq, causal) {
    const { latent, qk, value } = this.attention(s);
    const pair = latent && seq === 1 ? 2 * s.kv_rank + s.d_rope : qk + value;
    const windowed = s.window ? s.n_layers - s.full_layers : 0, near = Math.min(s.window, seq);
    const seen = windowed * (near * (near + 1) / 2 + (seq - near) * near)
      + (s.n_layers - windowed) * (seq * (seq + 1) / 2);
    return 2 * (causal ? seen : s.n_layers * seq ** 2) * s.n_heads * pair;
  },

  // What the package refuses, in its words.
  refused(s) {
    const problems = [];
    if (s.n_kv_heads < 1 || s.n_heads % s.n_kv_heads) problems.push(`key heads is ${s.n_kv_heads}, expected a divisor of ${s.n_heads} heads`);
    if (s.n_experts && !(s.experts_a_token >= 1 && s.experts_a_token <= s.n_experts))
      problems.push(`experts a token is ${s.experts_a_token}, expected 1 to ${s.n_experts}`);
    if (s.n_experts && s.d_expert < 1) problems.push(`width of an expert is ${s.d_expert}, expected at least 1`);
    if (s.kv_rank > 0 && (s.biases !== "none" || s.qk_norm))
      problems.push("biases or norm on queries and keys with latent attention: expected none");
    if (s.kv_rank > 0 && s.d_value < 1) problems.push(`size of a value is ${s.d_value}, expected at least 1`);
    for (const key of ["full_layers", "dense_layers"])
      if (s[key] > s.n_layers) problems.push(`${key} is ${s[key]}, expected 0 to ${s.n_layers} layers`);
    return problems;
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
    const w = this.weights(s), forward = this.forwardFlops(s, run.seq, run.causal) / run.seq;
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
    labelled(run, "causal", "scores counted", choice([["false", "all"], ["true", "those not masked"]]));

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
      return { s, settings, problems: problems.length ? problems : this.refused(s) };
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
