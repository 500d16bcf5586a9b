// The drawing is sent while the pen moves, at most every 150 ms, and once more when the pen is lifted.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas");
  const button = parentElement.querySelector("button");
  const pen = canvas.getContext("2d");
  button.textContent = data.clear;
  canvas.setAttribute("aria-label", data.label);
  if (canvas.ready) return;
  canvas.ready = true;
  const wipe = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, canvas.width, canvas.height); };
  const before = new Image();  // what was drawn before another tab was open
  before.onload = () => pen.drawImage(before, 0, 0);
  let last = null, timer = null, sent = 0;
  const send = () => { timer = null; sent = Date.now(); setStateValue("drawing", canvas.toDataURL("image/png")); };
  const soon = () => { if (timer === null) timer = setTimeout(send, Math.max(0, 150 - (Date.now() - sent))); };
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * canvas.height / box.height];
  };
  const line = (from, to) => {
    pen.strokeStyle = "#fff"; pen.lineWidth = 22; pen.lineCap = "round"; pen.lineJoin = "round";
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(...to); pen.stroke();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event); line(last, last); soon(); event.preventDefault();
  };
  canvas.onpointermove = (event) => {
    if (last === null) return;
    const next = place(event); line(last, next); last = next; soon();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { if (last !== null) { last = null; soon(); } };
  button.onclick = () => { wipe(); clearTimeout(timer); timer = null; setStateValue("drawing", ""); };
  wipe();
  if (data.before) before.src = data.before;
}
