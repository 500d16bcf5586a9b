// The line follows the pointer, and the arrow keys.
export default function (component) {
  const { data, parentElement } = component;
  const place = parentElement.querySelector(".wipe"), line = place.querySelector("i");
  const [before, after] = place.querySelectorAll("img");
  before.src = data.before; after.src = data.after;
  place.setAttribute("aria-label", data.label);
  const move = (part) => {
    place.part_ = Math.min(1, Math.max(0, part));
    line.style.left = 100 * place.part_ + "%"; after.style.clipPath = `inset(0 0 0 ${100 * place.part_}%)`;
  };
  const follow = (event) => {
    const box = place.getBoundingClientRect();
    if (event.buttons || event.type === "pointerdown") move((event.clientX - box.left) / box.width);
  };
  place.onpointerdown = (event) => { place.setPointerCapture(event.pointerId); follow(event); };
  place.onpointermove = follow;
  place.onkeydown = (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
    if (step) { move(place.part_ + step); event.preventDefault(); }
  };
  move(place.part_ ?? 0.5);
}
