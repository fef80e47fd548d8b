const form = document.getElementById('filter');
const cases = [...document.querySelectorAll('details')];
const texts = JSON.parse(document.getElementById('texts').textContent);

function filter() {
  const {suite, rule, failed, words} = form.elements;
  let shown = 0;
  for (const one of cases) {
    one.hidden =
      (suite.value && one.dataset.suite !== suite.value) ||
      (rule.value && one.dataset.rule !== rule.value) ||
      (failed.checked && !one.classList.contains('bad')) ||
      !one.textContent.toLowerCase().includes(words.value.toLowerCase());
    shown += !one.hidden;
  }
  form.querySelector('output').textContent = `${shown} of ${cases.length}`;
}

function fill(event) {
  for (const item of event.target.querySelectorAll('li[data-text]')) {
    const text = document.createElement('pre');
    text.textContent = texts[item.dataset.text];
    item.append(text);
    item.removeAttribute('data-text');
  }
}

form.addEventListener('input', filter);
form.addEventListener('submit', (event) => event.preventDefault());
for (const one of cases) one.addEventListener('toggle', fill, {once: true});
filter();
