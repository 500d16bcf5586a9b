// Takes frames of the camera at a steady rate and sends them as one picture, one frame below the other.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas"), button = parentElement.querySelector("button");
  button.textContent = data.start;
  canvas.setAttribute("aria-label", data.start);
  if (canvas.ready) return;
  canvas.ready = true;
  const side = 64, view = canvas.getContext("2d");
  canvas.width = canvas.height = side;
  button.onclick = async () => {
    let stream;
    try { stream = await navigator.mediaDevices.getUserMedia({ video: true }); }
    catch { button.textContent = data.refused; return; }
    button.disabled = true;
    const film = document.createElement("video"), strip = document.createElement("canvas");
    film.srcObject = stream; film.muted = true; await film.play();
    strip.width = side; strip.height = side * data.frames;
    const pen = strip.getContext("2d");
    let count = 0;
    const timer = setInterval(() => {
      pen.drawImage(film, 0, count * side, side, side);
      view.drawImage(film, 0, 0, side, side);
      button.textContent = `${++count} / ${data.frames}`;
      if (count < data.frames) return;
      clearInterval(timer);
      stream.getTracks().forEach((track) => track.stop());
      button.disabled = false; button.textContent = data.start;
      setStateValue("strip", strip.toDataURL("image/jpeg", 0.9));
    }, data.pause);
  };
}
