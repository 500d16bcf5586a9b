export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const place = parentElement.querySelector(".thumbnails");
  place.replaceChildren(...data.pictures.map((source, i) => {
    const button = document.createElement("button"), picture = new Image();
    button.type = "button"; button.setAttribute("aria-pressed", i === data.chosen); button.title = data.labels[i];
    picture.src = source; picture.alt = data.labels[i];
    button.append(picture);
    button.onclick = () => setStateValue("chosen", i);
    return button;
  }));
}
