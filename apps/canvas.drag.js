// While the pointer is held down, its place is noted at a steady rate; the path is sent when it is released.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas");
  const pen = canvas.getContext("2d");
  canvas.setAttribute("aria-label", data.label);
  canvas.style.touchAction = "none";
  const picture = new Image();
  picture.onload = () => { canvas.width = picture.width; canvas.height = picture.height; pen.drawImage(picture, 0, 0); };
  picture.src = data.picture;
  let path = [], place = null, timer = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const part = (value, length) => Math.min(0.999, Math.max(0, value / length));
    return [part(event.clientX - box.left, box.width), part(event.clientY - box.top, box.height)];
  };
  const stop = () => {
    if (timer === null) return;
    clearInterval(timer); timer = null; setStateValue("path", path);
  };
  const note = () => {
    path.push(place);
    pen.fillStyle = "#E69F00";
    pen.beginPath(); pen.arc(place[0] * canvas.width, place[1] * canvas.height, 3, 0, 7); pen.fill();
    if (path.length >= data.frames) stop();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen.drawImage(picture, 0, 0);
    path = []; place = at(event); note(); timer = setInterval(note, data.pause); event.preventDefault();
  };
  canvas.onpointermove = (event) => { if (timer !== null) place = at(event); };
  canvas.onpointerup = canvas.onpointercancel = stop;
}
