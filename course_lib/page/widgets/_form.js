(root) => {
  // What the calculators share: elements, and labelled controls in a grid that fits any width.
  const make = (tag, style, text) => {
    const element = document.createElement(tag);
    element.style.cssText = style;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const field = "box-sizing:border-box;width:100%;min-height:1.9em;font:inherit;color:inherit;background:transparent;border:1px solid currentColor;border-radius:.25em;padding:.1em .3em";
  const inputs = {};
  return {
    make,
    inputs,
    grid: () => make("div", "display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.4em .8em;margin:.5em 0"),
    labelled(parent, key, text, control) {
      const box = make("div", ""), label = make("label", "display:block;font-size:.85em", text);
      control.id = `${root.id}-${key}`;
      label.htmlFor = control.id;
      box.append(label, control);
      parent.append(box);
      inputs[key] = control;
    },
    choice(options) {
      const select = make("select", field);
      for (const [value, text] of options) {
        const option = make("option", "color:#111;background:#fff", text);
        option.value = value;
        select.append(option);
      }
      return select;
    },
    number: (value, kind) => Object.assign(make("input", field), kind, { value }),
  };
}
