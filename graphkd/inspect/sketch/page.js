{
  const marked = [...document.querySelectorAll("[data-problems]")];
  const items = [...document.querySelectorAll("#problems li")];
  const has = (each, number) => each.dataset.problems.split(" ").includes(number);

  function choose(numbers) {
    for (const each of marked)
      each.classList.toggle("chosen", numbers.some(number => has(each, number)));
    for (const each of items)
      each.classList.toggle("chosen", numbers.includes(each.id.slice("problem".length)));
  }

  const look = { block: "center", inline: "center", behavior: "instant" };
  for (const button of document.querySelectorAll("[data-shows]"))
    button.addEventListener("click", () => {
      choose([button.dataset.shows]);
      marked.find(each => has(each, button.dataset.shows))?.scrollIntoView(look);
    });
  for (const each of marked) {
    const show = () => {
      const numbers = each.dataset.problems.split(" ");
      choose(numbers);
      document.getElementById(`problem${numbers[0]}`).scrollIntoView(look);
    };
    each.addEventListener("click", show);
    each.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        show();
      }
    });
  }
}
