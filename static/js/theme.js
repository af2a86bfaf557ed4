// Runs before the first paint, so that a dark device never flashes white: "auto" follows the device.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const wish = root.dataset.kkTheme;
    root.dataset.bsTheme = wish === "auto" ? (dark.matches ? "dark" : "light") : wish;
  };
  dark.addEventListener("change", apply);
  apply();
})();
