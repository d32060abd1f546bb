// Finds what WCAG 2.2 AA forbids and a machine can see; returns a list of faults in words.
() => {
  const faults = [];
  const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && e.getClientRects().length > 0
    && !e.closest("[aria-hidden=true], .r-hidden, .r-skip");
  const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}.${e.className} “${(e.innerText || e.value || "").trim().slice(0, 40)}”`;

  // A canvas turns every way to write a colour into four bytes.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const bytes = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(bytes(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const light = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };

  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const e = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || !seen(e) || e.closest("svg, script, style, [disabled]")) continue;
    const style = getComputedStyle(e), behind = ground(e);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = contrast(over(bytes(style.color), behind), behind);
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (seen(e) && !e.labels?.length && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")) faults.push(`no label: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("a[href], button, summary, [role=button]")) {
    if (seen(e) && !e.textContent.trim() && !e.getAttribute("aria-label") && !e.title) faults.push(`no name: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("button, summary, input, select, a.r-button")) {
    const box = e.getBoundingClientRect();
    if (seen(e) && (box.width < 24 || box.height < 24) && !["checkbox", "radio"].includes(e.type) && e.tagName !== "SUMMARY") faults.push(`under 24 px: ${name(e)} ${box.width}×${box.height}`);
  }
  for (const e of document.querySelectorAll("img:not([alt])")) faults.push(`no alt: ${e.src}`);
  for (const e of document.querySelectorAll("[onclick], div[x-on\\:click], span[x-on\\:click]")) {
    if (seen(e) && e.tabIndex < 0) faults.push(`only for a mouse: ${name(e)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => id && all.indexOf(id) !== i);
  if (ids.length) faults.push(`ids twice: ${ids.slice(0, 5)}`);
  if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} headings of level 1`);
  if (!document.documentElement.lang) faults.push("no language");
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide > 0) faults.push(`scrolls sideways by ${wide} px`);
  return faults;
}
