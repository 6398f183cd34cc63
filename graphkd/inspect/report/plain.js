{
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const place = document.getElementById("charts");
  if (place) drawCharts(place, facts.charts, facts.bands);
}
