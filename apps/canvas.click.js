export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas");
  const pen = canvas.getContext("2d");
  canvas.setAttribute("aria-label", data.label);
  const picture = new Image();
  picture.onload = () => {
    canvas.width = picture.width; canvas.height = picture.height;
    canvas.style.aspectRatio = picture.width + " / " + picture.height;
    pen.drawImage(picture, 0, 0);
  };
  picture.src = data.picture;
  canvas.onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    const part = (at, length) => Math.min(0.999999, Math.max(0, at / length));
    setStateValue("place", [part(event.clientX - box.left, box.width), part(event.clientY - box.top, box.height)]);
  };
}
