({
  // data: {merges: [[left, right], …], bytes: the 256 ids of bytes by value, names: [id → text],
  //        first: id of the first merge, text}
  // The same cut as the pattern "course". \p{White_Space}, since JavaScript's \s holds U+FEFF too.
  split(text) {
    return text.match(/ ?\p{L}+| ?\p{N}|\p{White_Space}|[^\p{White_Space}\p{L}\p{N}]/gu) || [];
  },

  // Every state on the way: {pieces: ids of each pre-token, rank: the merge that led here}.
  states(text, data) {
    const rank = new Map(data.merges.map(([left, right], i) => [`${left},${right}`, i]));
    const encoder = new TextEncoder();
    let pieces = this.split(text).map((piece) => [...encoder.encode(piece)].map((b) => data.bytes[b]));
    const found = [{ pieces, rank: null }];
    for (;;) {
      let lowest = Infinity;
      for (const piece of pieces) {
        for (let i = 0; i + 1 < piece.length; i++) {
          const known = rank.get(`${piece[i]},${piece[i + 1]}`);
          if (known < lowest) lowest = known;
        }
      }
      if (lowest === Infinity) return found;
      const [left, right] = data.merges[lowest];
      pieces = pieces.map((piece) => {
        const out = [];
        for (let i = 0; i < piece.length; i++) {
          if (piece[i] === left && piece[i + 1] === right) {
            out.push(data.first + lowest);
            i++;
          } else out.push(piece[i]);
        }
        return out;
      });
      found.push({ pieces, rank: lowest });
    }
  },

  encode(text, data) {
    return this.states(text, data).at(-1).pieces.flat();
  },

  draw(root, data) {
    const make = (tag, props, parent) => {
      const node = Object.assign(document.createElement(tag), props);
      parent.append(node);
      return node;
    };
    const wrap = make("label", {}, root);
    wrap.style.cssText = "display:block";
    make("span", { textContent: "Your text" }, wrap);
    const input = make("input", { type: "text", value: data.text, maxLength: 120 }, wrap);
    input.style.cssText = "display:block;width:100%;box-sizing:border-box;min-height:2.2em;font:inherit;" +
      "color:inherit;background:transparent;border:1px solid currentColor;border-radius:4px;padding:.2em .5em";
    const bar = make("div", {}, root);
    bar.style.cssText = "display:flex;flex-wrap:wrap;gap:.5em;margin:.6em 0;align-items:center";
    const button = (label, act) => {
      const node = make("button", { type: "button", textContent: label }, bar);
      node.style.cssText = "min-height:2.2em;padding:.2em .8em;font:inherit;color:inherit;cursor:pointer;" +
        "background:transparent;border:1px solid currentColor;border-radius:4px";
      node.addEventListener("click", () => { act(); paint(); });
    };
    const slide = make("label", {}, root);
    slide.style.cssText = "display:block";
    const slideName = make("span", {}, slide);
    const range = make("input", { type: "range", min: 0, step: 1 }, slide);
    range.style.cssText = "display:block;width:100%;min-height:2em;accent-color:#0072B2";
    const said = make("p", { ariaLive: "polite" }, root);
    said.style.cssText = "margin:.3em 0;min-height:3em";
    const shown = make("div", {}, root);
    shown.style.cssText = "font-family:ui-monospace,monospace;line-height:2.1;overflow-wrap:anywhere";

    let states = this.states(data.text, data), at = 0;
    const go = (place) => { at = Math.max(0, Math.min(states.length - 1, place)); };
    button("First bytes", () => go(0));
    button("Back", () => go(at - 1));
    button("Next merge", () => go(at + 1));
    button("All merges", () => go(states.length - 1));
    range.addEventListener("input", () => { go(+range.value); paint(); });
    input.addEventListener("input", () => {
      states = this.states(input.value, data);
      go(states.length - 1);
      paint();
    });

    const tints = ["rgba(86,180,233,.30)", "rgba(230,159,0,.30)"];
    const paint = () => {
      const { pieces, rank } = states[at];
      const ids = pieces.flat();
      range.max = states.length - 1;
      range.value = at;
      slideName.textContent = `Step ${at} of ${states.length - 1}`;
      const bytes = states[0].pieces.flat().length;
      const made = rank === null ? "Bytes, cut into pre-tokens. No merge yet." :
        `Merge ${rank + 1} of the table: “${data.names[data.merges[rank][0]]}” + ` +
        `“${data.names[data.merges[rank][1]]}” → “${data.names[data.first + rank]}”.`;
      said.textContent = `${made} ${bytes} bytes, ${ids.length} tokens.`;
      shown.textContent = "";
      pieces.forEach((piece, i) => {
        for (const id of piece) {
          const chip = make("span", { textContent: data.names[id], title: `id ${id}` }, shown);
          const fresh = rank !== null && id === data.first + rank;
          chip.style.cssText = `background:${tints[i % 2]};border-radius:3px;padding:.15em .2em;` +
            `margin-right:2px;outline:${fresh ? "2px solid currentColor" : "none"}`;
        }
      });
    };
    paint();
  },
})
