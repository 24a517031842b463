/* The access token's life, and calls to something protected. */

import { auth, early, post } from './auth.js';
import { action } from './timeline.js';

const LIVES = [5, 10, 15, 30, 60, 300, 900];
const byId = (id) => document.getElementById(id);
const tabs = new BroadcastChannel('demo:calls');

export function startToken() {
  setInterval(showLife, 200);
  showLife();
  startSlider(byId('lifetime'));

  byId('call').addEventListener('click', () => call(1));
  byId('call-five').addEventListener('click', () => call(5));
  byId('call-everywhere').addEventListener('click', () => {
    tabs.postMessage('call');
    call(1);
  });
  tabs.onmessage = () => call(1);

  byId('early').checked = early.on;
  byId('early').addEventListener('change', ({ target }) => {
    early.on = target.checked;
    auth.refresh();
  });
}

function showLife() {
  if (!auth.claims) return;
  const { iat, exp } = auth.claims;
  const left = Math.max(exp - Date.now() / 1000, 0);
  byId('life').value = left / (exp - iat);
  byId('life').classList.toggle('low', left < (exp - iat) / 4);
  byId('left').textContent = left ? `${words(Math.ceil(left))} left` : 'has run out';
}

function words(seconds) {
  const minutes = Math.floor(seconds / 60);
  const parts = [minutes && `${minutes} min`, seconds % 60 && `${seconds % 60} s`];
  return parts.filter(Boolean).join(' ');
}

function startSlider(slider) {
  const now = Number(slider.dataset.seconds);
  const show = () => {
    byId('lifetime-shown').textContent = words(LIVES[slider.value]);
    slider.setAttribute('aria-valuetext', words(LIVES[slider.value]));
  };
  slider.max = LIVES.length - 1;
  slider.value = Math.max(LIVES.findIndex((seconds) => seconds >= now), 0);
  slider.addEventListener('input', show);
  let timer;
  slider.addEventListener('change', () => {
    clearTimeout(timer); // arrow keys make one change each
    timer = setTimeout(() => live(LIVES[slider.value]), 400);
  });
  show();
}

async function live(seconds) {
  action(`You let access tokens live for ${words(seconds)}.`);
  await post('/demo/lifetime/', { seconds });
  await auth.refresh(); // the next one lives that long
}

async function call(times) {
  action(times === 1 ? 'You call the API.' : `You call the API ${times} times at once.`);
  const calls = Array.from({ length: times }, () => auth.fetch('/api/orders/'));
  const [response] = await Promise.all(calls);
  if (!response.ok) return;
  const { customer, orders } = await response.json();
  byId('answer').textContent = `${customer} has ordered: ${orders.map((o) => o.item).join(', ')}.`;
}
