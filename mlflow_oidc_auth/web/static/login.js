"use strict";
// The part of an address behind "#" never reaches the server, but browsers keep it when they are sent here:
// hand it on, so that the login ends at the very page of MLflow that was wanted.
(() => {
  const next = document.querySelector('input[name="next"]');
  if (next && !next.value.includes("#") && location.hash.startsWith("#/")) {
    next.value += location.hash;
  }
})();
