// Runs before the page is drawn, so that nothing flashes or moves.
document.documentElement.classList.add("scripted");
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
