// Counts its clicks and the pages that were shown.

let routes = 0;

export function onRouteDidUpdate() {
  document.documentElement.dataset.routes = ++routes;
}

if (typeof document !== 'undefined') {
  const button = Object.assign(document.createElement('button'), {textContent: 'Widget: 0'});
  let clicks = 0;
  button.onclick = () => (button.textContent = `Widget: ${++clicks}`);
  document.body.append(button);
}
