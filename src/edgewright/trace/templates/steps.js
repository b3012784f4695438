// A button that shows the layers of a sample's way one after the other.
whenShown('steps',e=>{let s=[...e.querySelectorAll('.layers>li')];
if(s.length){let b=document.createElement('button'),n=s.length,timer,go=()=>{if(n>=s.length){s.forEach(e=>e.classList.add('later'));n=0}
s[n].classList.remove('later');s.forEach((e,i)=>e.classList.toggle('now',i===n));
if(++n<s.length)timer=setTimeout(go,1100);else{b.textContent='Play';timer=0}};
b.type='button';b.className='play';b.textContent='Play';
b.onclick=()=>{if(timer){clearTimeout(timer);timer=0;b.textContent='Go on'}else{b.textContent='Pause';go()}};
s[0].parentElement.before(b)}})
