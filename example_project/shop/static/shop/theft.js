/* A thief copies the refresh token and presents it when its owner has moved on. */

import { auth, post } from './auth.js';
import { action, request as record } from './timeline.js';

const steps = [...document.querySelectorAll('#theft li')];
const grace = document.getElementById('grace');
const button = document.getElementById('steal');

export function startTheft() {
  button.addEventListener('click', steal);
}

async function steal() {
  button.disabled = true;
  reach(0);
  action('A thief copies your refresh token.');
  await post('/auth/demo/steal/');

  reach(1);
  action('You carry on.');
  await auth.refresh();

  reach(2);
  await countdown(grace.max + 1);

  reach(3);
  action('The thief presents the copy.');
  await replay();

  reach(4);
}

/** Not through the client: these are not our requests, and their refusal is not ours either. */
async function replay() {
  const request = new Request('/auth/demo/replay/', { method: 'POST' });
  await record(request, await fetch(request));
}

async function countdown(seconds) {
  const end = Date.now() + 1000 * seconds;
  while (Date.now() < end) {
    grace.value = seconds - (end - Date.now()) / 1000;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function reach(current) {
  steps.forEach((step, number) => {
    step.classList.toggle('done', number < current);
    if (number === current) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  });
}
