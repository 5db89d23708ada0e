// Keeps the click that a visitor came by, and hands it to the checkout. Settings are attributes of the script's element:
// data-days: for how long, 60 days unless said otherwise; data-domain: on a domain with all its subdomains.
(function () {
  var settings = (document.currentScript || {}).dataset || {};
  var form = /^clk_[0-9a-f]{32}$/;
  var came = new URLSearchParams(location.search).get("rk_click");
  if (form.test(came)) {
    document.cookie = "rk_click=" + came + "; path=/; samesite=lax; max-age=" + (settings.days || 60) * 86400 +
      (settings.domain ? "; domain=" + settings.domain : "") + (location.protocol === "https:" ? "; secure" : "");
  }
  // The click's id, or null.
  function click() {
    var kept = /(?:^|; )rk_click=([^;]*)/.exec(document.cookie);
    var id = form.test(came) ? came : kept && kept[1];
    return form.test(id) ? id : null;
  }
  // Hands it to what is on the page now; call it again for what is put there later.
  function apply() {
    var id = click();
    if (!id) return;
    document.querySelectorAll('a[href^="https://buy.stripe.com/"]').forEach(function (link) {
      var url = new URL(link.href);
      if (url.searchParams.has("client_reference_id")) return;
      url.searchParams.set("client_reference_id", id);
      link.href = url;
    });
    document.querySelectorAll("stripe-pricing-table, stripe-buy-button").forEach(function (element) {
      if (!element.hasAttribute("client-reference-id")) element.setAttribute("client-reference-id", id);
    });
    document.querySelectorAll('input[type="hidden"][name="rk_click"]').forEach(function (input) {
      input.value = id;
    });
  }
  window.rekomi = { click: click, apply: apply };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", apply);
  else apply();
})();
