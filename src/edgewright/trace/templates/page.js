// A tab is parsed when it is opened or printed: until then it is the text of a noscript element.
const whenShown=(()=>{let d=document,o=[],w={},q='details:not([open])',p=[...d.querySelectorAll('main>.panel,main>noscript')],a=[...d.querySelectorAll('.tabs a[href^="#"]')],
id=()=>{try{return d.getElementById(decodeURIComponent(location.hash.slice(1)))}catch{return null}},
fill=i=>{let n=p[i];if(n.matches('noscript')){n.insertAdjacentHTML('beforebegin',n.textContent);p[i]=n.previousElementSibling;p[i].hidden=true;n.remove()}},
start=()=>{for(let i in w){let e=d.getElementById(i),f=w[i];if(e&&!e.closest('.panel[hidden]')){delete w[i];e.parentNode.querySelectorAll('.unscripted').forEach(n=>n.remove());f(e)}}},
tab=i=>{fill(i);p.forEach((x,j)=>{x.hidden=i!==j});a.forEach((l,j)=>{if(i===j){l.setAttribute('aria-current','true');
requestAnimationFrame(()=>{let u=l.closest('ul');u.scrollLeft=l.offsetLeft-u.clientWidth/3})}else l.removeAttribute('aria-current')});start()},
show=()=>{let i=a.findIndex(l=>l.hash===location.hash),t;if(i>=0)fill(i);
for(let j=0;location.hash&&!(t=id())&&j<p.length;j++)fill(j);
if(p.length){let j=t?p.findIndex(x=>x.contains(t)):0;if(j<0&&!a.some(l=>l.hasAttribute('aria-current')))j=0;if(j>=0)tab(j)}
if(t&&!o.length){if(t.matches('details'))t.open=true;for(let e=t;e=e.closest(q);)e.open=true;t.scrollIntoView()}};
addEventListener('hashchange',show);show();
addEventListener('beforeprint',()=>{p.forEach((_,i)=>fill(i));o=[...d.querySelectorAll(q)];for(let e of o)e.open=true});
addEventListener('afterprint',()=>{for(let e of o)e.open=false;o=[]});
return(i,f)=>{w[i]=f;start()}})();
