/*
 * Light or dark: as the system says, or as chosen here. Not a module, because those run too late:
 * the page would be drawn in the other colours first.
 */
(() => {
  const root = document.documentElement;
  const chosen = localStorage.getItem('demo:theme');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  if (chosen) root.dataset.theme = chosen;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);

  document.addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const show = () => button.setAttribute('aria-pressed', isDark());
    button.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      localStorage.setItem('demo:theme', root.dataset.theme);
      show();
    });
    dark.addEventListener('change', show);
    show();
  });
})();
