"use strict";
// Moving and pasting in an editable table; without this file the table still works with Tab and the mouse.
(function () {
  var form = document.getElementById("edit");
  if (!form) return;
  var changed = false;
  function cells(row) { return Array.prototype.slice.call(row.querySelectorAll("td > input:not([type=checkbox]), td > select")); }
  function rows() { return Array.prototype.slice.call(form.querySelectorAll("tbody tr")); }
  function place(field) {
    var all = rows(), row = field.closest("tr");
    return { row: all.indexOf(row), column: cells(row).indexOf(field), all: all };
  }
  function go(field, down) {
    var at = place(field), next = at.all[at.row + down];
    if (!next) return false;
    var found = cells(next)[at.column];
    if (!found) return false;
    found.focus();
    if (found.select) found.select();
    return true;
  }
  form.addEventListener("keydown", function (event) {
    var field = event.target;
    if (!field.closest || !field.closest("tbody") || field.type === "checkbox") return;
    var isSelect = field.tagName === "SELECT";
    if (event.key === "Enter" && !isSelect) { event.preventDefault(); go(field, event.shiftKey ? -1 : 1); }
    if (event.key === "ArrowDown" && !event.altKey && !isSelect && !field.list) { if (go(field, 1)) event.preventDefault(); }
    if (event.key === "ArrowUp" && !event.altKey && !isSelect && !field.list) { if (go(field, -1)) event.preventDefault(); }
  });
  form.addEventListener("paste", function (event) {
    var field = event.target, text = (event.clipboardData || { getData: function () { return ""; } }).getData("text");
    if (!field.closest || !field.closest("tbody") || !/[\t\n]/.test(text.trim())) return;
    event.preventDefault();
    var at = place(field);
    text.replace(/\r/g, "").replace(/\n$/, "").split("\n").forEach(function (line, down) {
      var row = at.all[at.row + down];
      if (!row) return;
      var own = cells(row);
      line.split("\t").forEach(function (value, right) {
        var target = own[at.column + right];
        if (target) { target.value = value; mark(target); }
      });
    });
  });
  function mark(field) { changed = true; field.classList.add("changed"); }
  form.addEventListener("input", function (event) { mark(event.target); });
  form.addEventListener("submit", function () { changed = false; });
  window.addEventListener("beforeunload", function (event) { if (changed) { event.preventDefault(); event.returnValue = ""; } });
})();
