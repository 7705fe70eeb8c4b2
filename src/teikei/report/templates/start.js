"use strict";
(function () {
  var drawn = [];
  function draw(holder) {
    var chart = document.getElementById(holder.dataset.chart);
    if (!chart || chart.dataset.drawn || !chart.offsetWidth) return;
    chart.dataset.drawn = "yes";
    var figure = JSON.parse(holder.textContent);
    Plotly.newPlot(chart, figure.data, figure.layout, { responsive: true, displaylogo: false, displayModeBar: false });
    drawn.push(chart);
  }
  var holders = Array.prototype.slice.call(document.querySelectorAll("script[data-chart]"));
  function drawAll() { holders.forEach(draw); }
  drawAll();
  document.addEventListener("toggle", drawAll, true);
  function resize() { drawn.forEach(function (chart) { if (chart.offsetWidth) Plotly.Plots.resize(chart); }); }
  window.addEventListener("beforeprint", function () { drawAll(); resize(); });
  window.addEventListener("afterprint", resize);
})();
